"""The first sentence of a report, for each result that a comparison can have."""

from __future__ import annotations

import pandas as pd
import pytest

from medcl.evaluate.answer import BETTER, NO_DIFFERENCE, WORSE, answer, verdicts
from medcl.evaluate.comparison import Primary


def differences(*rows: tuple[str, float, float, float, float], metric: str = "auroc") -> pd.DataFrame:
    """Return rows of budget, value, low, high and p of `byol`, beside one of another arm."""
    names = ["budget", "value", "low", "high", "p_adjusted"]
    table = pd.DataFrame(rows, columns=names).assign(arm="byol", metric=metric)
    return pd.concat([table, table.assign(arm="moco", value=9.0, low=9.0, high=9.0, p_adjusted=0.0)])


@pytest.mark.parametrize(
    ("low", "high", "p", "margin", "verdict"),
    [
        (0.01, 0.05, 0.01, 0.0, BETTER),
        (0.01, 0.05, 0.05, 0.0, NO_DIFFERENCE),
        (-0.01, 0.05, 0.01, 0.0, NO_DIFFERENCE),
        (0.01, 0.05, 0.01, 0.02, NO_DIFFERENCE),
        (0.03, 0.05, 0.01, 0.02, BETTER),
        (-0.05, -0.01, 0.01, 0.0, WORSE),
        (-0.05, 0.01, 0.01, 0.02, NO_DIFFERENCE),
        (-0.05, -0.01, 0.01, 0.02, WORSE),
    ],
)
def test_a_verdict_needs_significance_and_an_interval_beyond_the_margin(
    low: float, high: float, p: float, margin: float, verdict: str
) -> None:
    table = differences(("all", (low + high) / 2, low, high, p))
    assert verdicts(Primary(arm="byol", margin=margin), table)["verdict"].tolist() == [verdict]


def test_a_lower_value_is_better_where_the_metric_says_so() -> None:
    table = differences(
        ("5/class", -0.03, -0.05, -0.01, 0.01), ("all", 0.03, 0.01, 0.05, 0.01), metric="brier"
    )
    assert verdicts(Primary(arm="byol", metric="brier"), table)["verdict"].tolist() == [BETTER, WORSE]
    assert "beat the supervised baseline in test Brier score (lower is better) with 5" in answer(
        Primary(arm="byol", metric="brier"), True, table
    )


def test_the_sentence_names_every_budget_by_its_verdict() -> None:
    table = differences(
        ("5/class", 0.1, 0.05, 0.15, 0.0001),
        ("20/class", 0.05, 0.01, 0.09, 0.02),
        ("1%", -0.05, -0.09, -0.01, 0.02),
        ("all", 0.0, -0.01, 0.01, 0.9),
    )
    assert answer(Primary(arm="byol"), True, table) == (
        "Contrastive pretraining (byol) beat the supervised baseline in test AUROC with 5 labels per class "
        "(+0.100, 95 % CI +0.050 to +0.150, p < 0.001) and 20 labels per class (+0.050, 95 % CI +0.010 to "
        "+0.090, p = 0.020); it was worse with 1 % of the labels (−0.050, 95 % CI −0.090 to −0.010, "
        "p = 0.020); there was no significant difference with all labels (0.000, 95 % CI −0.010 to +0.010, "
        "p = 0.900); p-values are adjusted for 4 budgets (Holm)."
    )


def test_a_worse_or_an_equal_arm_did_not_beat_the_baseline() -> None:
    worse = differences(("5/class", -0.1, -0.15, -0.05, 0.001), ("all", 0.0, -0.1, 0.1, 0.9))
    assert answer(Primary(arm="byol"), True, worse).startswith(
        "Contrastive pretraining (byol) did not beat the supervised baseline: its test AUROC was worse with "
        "5 labels per class ("
    )
    equal = differences(("all", 0.0, -0.1, 0.1, 0.9))
    assert "did not beat the supervised baseline: no significant difference in test AUROC with all" in answer(
        Primary(arm="byol"), True, equal
    )


def test_budgets_that_were_not_stated_are_not_in_the_answer() -> None:
    table = differences(("5/class", 0.1, 0.05, 0.15, 0.001), ("all", 0.2, 0.15, 0.25, 0.001))
    text = answer(Primary(arm="byol", budgets=("all",)), False, table)
    assert "5 labels" not in text
    assert text.endswith(", a comparison chosen after the run (exploratory).")
    assert "adjusted" not in text
