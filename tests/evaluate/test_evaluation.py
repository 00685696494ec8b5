"""The evaluation as a whole: it says what is true of the simulated study, and the same whatever the order."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score, roc_auc_score

from medcl.evaluate import ArmRecord, Evaluation, Primary, evaluate
from medcl.statistics import wilson
from medcl.testing.simulated_study import study

BETTER = {
    "simclr-probe": {"5/class": 0.92, "all": 0.95},
    "supervised": {"5/class": 0.78, "all": 0.95},
    "random-probe": {"5/class": 0.6, "all": 0.7},
}
RECORDS = {"random-probe": ArmRecord(control=True)}
EQUAL = {"simclr-probe": {"5/class": 0.85}, "supervised": {"5/class": 0.85}}


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return study(BETTER, patients=250, scans_per_patient=2, rng=1)


@pytest.fixture(scope="module")
def result(table: pd.DataFrame) -> Evaluation:
    return evaluate(
        table, primary=Primary(arm="simclr-probe", budgets=("5/class", "all")), draws=200, arm_records=RECORDS
    )


def test_cells_are_what_scikit_learn_says(table: pd.DataFrame, result: Evaluation) -> None:
    for _, cell in result.experiment_cells.iterrows():
        rows = (
            (table["arm"] == cell["arm"])
            & (table["budget"] == cell["budget"])
            & (table["seed"] == cell["seed"])
        )
        test = table[rows & (table["split"] == "test")]
        called = test["probability"] >= cell["threshold"]
        assert cell["auroc"] == pytest.approx(roc_auc_score(test["truth"], test["probability"]), abs=1e-12)
        assert cell["f1"] == pytest.approx(f1_score(test["truth"], called), abs=1e-12)
        assert cell["tp"] == (called & (test["truth"] == 1)).sum()
        assert cell["tp"] + cell["fp"] + cell["tn"] + cell["fn"] == len(test) == 500


def test_means_and_differences_are_those_of_the_cells(result: Evaluation) -> None:
    mean = result.experiment_cells.groupby(["arm", "budget"])["auroc"].mean()
    for _, row in result.arms[result.arms["metric"] == "auroc"].iterrows():
        assert row["value"] == pytest.approx(mean[row["arm"], row["budget"]], abs=1e-12)
        assert row["low"] < row["value"] < row["high"]
        assert row["seeds"] == 5
    for _, row in result.differences[result.differences["metric"] == "auroc"].iterrows():
        expected = mean[row["arm"], row["budget"]] - mean["supervised", row["budget"]]
        assert row["value"] == pytest.approx(expected, abs=1e-12)


def test_the_truth_lies_inside_and_the_answer_says_it(result: Evaluation) -> None:
    arms = result.arms[result.arms["metric"] == "auroc"].set_index(["arm", "budget"])
    for arm, by_budget in BETTER.items():
        for budget, truth in by_budget.items():
            row = arms.loc[(arm, budget)]
            assert row["low"] - 0.02 < truth < row["high"] + 0.02
    assert "beat the supervised baseline in test AUROC with 5 labels per class" in result.answer
    assert len(re.findall(r"95 % CI [^,]* to [^,]*, p [=<] 0\.\d{3}\)", result.answer)) == 2
    assert "no significant difference with all labels" in result.answer
    assert "exploratory" not in result.answer
    assert result.budgets == ["5/class", "all"]


def test_equal_arms_did_not_beat() -> None:
    evaluation = evaluate(study(EQUAL, patients=150, rng=2), draws=200)
    assert "did not beat the supervised baseline: no significant difference" in evaluation.answer
    assert "exploratory" in evaluation.answer


def test_a_worse_arm_is_called_worse() -> None:
    evaluation = evaluate(study({"a": {"all": 0.7}, "supervised": {"all": 0.95}}, patients=200), draws=200)
    assert "did not beat" in evaluation.answer
    assert "worse with all labels" in evaluation.answer


def test_order_of_rows_changes_nothing(table: pd.DataFrame, result: Evaluation) -> None:
    shuffled = table.sample(frac=1, random_state=3)
    again = evaluate(shuffled, primary=result.primary, draws=200, arm_records=RECORDS)
    pd.testing.assert_frame_equal(again.arms, result.arms)
    pd.testing.assert_frame_equal(again.differences, result.differences)
    assert again.answer == result.answer


def test_fixed_operating_points_are_there(result: Evaluation) -> None:
    assert result.operating.groupby(["arm", "budget", "seed"]).size().eq(5).all()
    at_recall = result.operating[result.operating["rule"] == "recall 0.95 on validation"]
    at_specificity = result.operating[result.operating["rule"] == "specificity 0.95 on validation"]
    assert at_recall["recall"].mean() > 0.85
    assert at_specificity["specificity"].mean() > 0.85
    assert np.isfinite(at_recall["lr_negative"]).all()
    assert "recall_low" not in result.operating, "patients have two scans here"


def test_seeds_that_only_one_arm_has_are_left_out_of_differences() -> None:
    table = study(EQUAL, patients=120)
    evaluation = evaluate(table[(table["arm"] != "supervised") | (table["seed"] < 3)], draws=100)
    assert (evaluation.differences["seeds"] == 3).all()
    assert any("share" in caveat for caveat in evaluation.caveats)


def test_single_seeds_have_wilson_intervals() -> None:
    operating = evaluate(study(EQUAL, patients=60), draws=50).operating
    row = operating.iloc[0]
    assert (row["recall_low"], row["recall_high"]) == wilson(row["tp"], row["tp"] + row["fn"])
    assert (operating["npv_low"] <= operating["npv"]).all()


def test_null_studies_claim_nothing() -> None:
    equal = {"5/class": 0.8, "20/class": 0.86}
    answers = [
        evaluate(study({"simclr-probe": equal, "supervised": equal}, patients=60, rng=run), draws=60).answer
        for run in range(6)
    ]
    null = "did not beat the supervised baseline: no significant difference"
    assert sum(null in answer for answer in answers) >= 5


def test_without_a_record_there_is_no_control() -> None:
    table = study({"a": {"all": 0.8}, "random-probe": {"all": 0.9}, "supervised": {"all": 0.8}}, patients=60)
    assert evaluate(table, draws=50).controls == []
    known = evaluate(table, draws=50, arm_records=RECORDS)
    assert known.controls == ["random-probe"]
    assert known.methods == ["a"]
    assert len(known.warnings) == 1


def test_a_lower_brier_score_is_better() -> None:
    table = study({"a": {"all": 0.95}, "supervised": {"all": 0.7}}, patients=200)
    answer = evaluate(table, primary=Primary(arm="a", metric="brier"), draws=100).answer
    assert "beat the supervised baseline in test Brier score (lower is better)" in answer
