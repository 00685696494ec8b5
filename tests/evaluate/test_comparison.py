"""The primary comparison: what is chosen, what is refused, and the order of arms."""

from __future__ import annotations

import pandas as pd
import pytest

from medcl.errors import UsageError
from medcl.evaluate import Primary, evaluate
from medcl.evaluate.comparison import choose_primary, order_arms
from medcl.testing.simulated_study import study

EQUAL = {"simclr-probe": {"5/class": 0.85}, "supervised": {"5/class": 0.85}}


def runs(cells: dict[str, list[str]]) -> pd.DataFrame:
    return pd.DataFrame([(arm, budget) for arm in cells for budget in cells[arm]], columns=["arm", "budget"])


def test_without_a_stated_comparison_the_first_method_by_name_is_compared() -> None:
    table = runs({"supervised": ["all"], "moco": ["all"], "byol": ["all"], "a-control": ["all"]})
    assert choose_primary(table, "supervised", None, ["a-control"]) == Primary(
        arm="byol", baseline="supervised"
    )
    assert choose_primary(table, "moco", None).arm == "a-control"


def test_both_arms_need_every_stated_budget_or_one_in_common() -> None:
    table = runs({"supervised": ["all", "5/class"], "byol": ["5/class", "1%"], "moco": ["1%"]})
    kept = Primary(arm="byol", budgets=("5/class",))
    assert choose_primary(table, "supervised", kept) is kept
    for primary, missing in (
        (Primary(arm="byol", budgets=("5/class", "all")), "budget 'all'"),
        (Primary(arm="moco"), "a common budget"),
    ):
        with pytest.raises(UsageError) as caught:
            choose_primary(table, "supervised", primary)
        line = f"predictions: {primary.arm} and supervised do not both have {missing}; "
        assert str(caught.value).startswith(line)


def test_arms_are_ordered_from_the_primary_method_to_the_controls() -> None:
    arms = ["random", "supervised", "byol", "moco", "byol", "a"]
    assert order_arms(arms, Primary(arm="moco"), ["random"]) == ["moco", "a", "byol", "supervised", "random"]


@pytest.mark.parametrize(
    ("primary", "message"),
    [
        (Primary(arm="moco-probe"), "arm 'moco-probe' is not in the table; the arms are"),
        (Primary(arm="simclr-probe", budgets=("1%",)), "do not both have budget '1%'"),
    ],
)
def test_a_comparison_that_cannot_be_made_is_refused(primary: Primary, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        evaluate(study(EQUAL, patients=40), primary=primary, draws=50)


def test_a_table_without_a_method_is_refused() -> None:
    with pytest.raises(UsageError, match="no arm to compare"):
        evaluate(study({"supervised": {"all": 0.9}}, patients=40), draws=50)
