"""The main table says what the tables of the evaluation say."""

from __future__ import annotations

import pytest

from medcl.evaluate import ArmRecord, Evaluation, Primary, evaluate
from medcl.evaluate.formatting import interval, number, p_value, signed
from medcl.evaluate.report.results_table import Cell, columns, results_table
from medcl.statistics import shown_in
from medcl.testing.simulated_study import study


@pytest.fixture(scope="module")
def evaluated() -> Evaluation:
    arms = {"byol": {"5/class": 0.9, "all": 0.95}, "supervised": {"5/class": 0.8, "all": 0.9}}
    table = study(arms | {"random": {"all": 0.6}}, patients=50, seeds=1)
    return evaluate(
        table, primary=Primary(arm="byol"), draws=30, arm_records={"random": ArmRecord(control=True)}
    )


def test_columns_are_the_metrics_of_the_registry_between_arm_and_difference(evaluated: Evaluation) -> None:
    headings = [column.heading for column in columns(evaluated)]
    assert headings[0] == ["Arm"]
    assert headings[1:-2] == [[metric.heading] for metric in shown_in("results")]
    assert headings[-2:] == [["TP / FP", "FN / TN"], ["Difference in AUROC", "from supervised"]]


def test_rows_are_grouped_by_budget_and_named_by_role(evaluated: Evaluation) -> None:
    groups = results_table(evaluated)
    assert [group["budget"] for group in groups] == ["5 labels per class", "all labels"]
    assert [row["kind"] for row in groups[1]["rows"]] == ["", "baseline", "control"]
    names = [row["cells"][0] for row in groups[1]["rows"]]
    assert names == [
        Cell(["byol"], ["1 seed"]),
        Cell(["supervised"], ["1 seed · baseline"]),
        Cell(["random"], ["1 seed · control"]),
    ]
    assert len(groups[0]["rows"]) == 2, "the control was run with all labels alone"


def test_cells_are_the_numbers_of_the_evaluation(evaluated: Evaluation) -> None:
    cells = dict(zip(
        ["arm", *(metric.name for metric in shown_in("results")), "counts", "difference"],
        results_table(evaluated)[1]["rows"][0]["cells"], strict=True,
    ))  # fmt: skip
    arms, differences = (
        table[(table["arm"] == "byol") & (table["budget"] == "all")].set_index("metric").loc["auroc"]
        for table in (evaluated.arms, evaluated.differences)
    )
    assert cells["auroc"] == Cell([number(arms["value"])], [interval(arms["low"], arms["high"])])
    assert cells["difference"] == Cell(
        [signed(differences["value"])],
        [interval(differences["low"], differences["high"]), p_value(differences["p_adjusted"])],
    )
    (counts,) = evaluated.experiment_cells.query("arm == 'byol' and budget == 'all'").to_dict("records")
    assert cells["counts"] == Cell([f"{counts['tp']} / {counts['fp']}", f"{counts['fn']} / {counts['tn']}"])
    baseline = results_table(evaluated)[1]["rows"][1]["cells"][-1]
    assert baseline == Cell([])
