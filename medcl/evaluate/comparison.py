"""The primary comparison of a study."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Annotated, Literal

import pandas as pd
from pydantic import AfterValidator, NonNegativeFloat, PositiveInt

from medcl.config import Config
from medcl.errors import UsageError
from medcl.names import SUPERVISED
from medcl.statistics import METRICS


def _check_metric(name: str) -> str:
    if name not in METRICS:
        raise ValueError(f"no such metric; metrics are {', '.join(METRICS)}")
    return name


class Primary(Config):
    """The primary comparison, stated before the run; all others in the report are exploratory.

    Attributes:
        arm: The arm under test.
        baseline: The arm that it is compared with.
        metric: Metric of the test scans.
        budgets: Label budgets at which they are compared; without any, all that both arms have.
        margin: Difference, in units of the metric, that must be exceeded.
    """

    arm: str
    baseline: str = SUPERVISED
    metric: Annotated[str, AfterValidator(_check_metric)] = "auroc"
    budgets: tuple[str, ...] = ()
    margin: NonNegativeFloat = 0.0


class TissuePrimary(Config):
    """The primary comparison of a tissue study, stated before the run.

    Attributes:
        arm: The arm under test.
        baseline: The arm that it is compared with.
        metric: Metric of the test patients.
        budget: Number of patients with a mask.
    """

    arm: str
    baseline: str = SUPERVISED
    metric: Literal["auroc", "average_precision", "dice", "froc"] = "dice"
    budget: PositiveInt


def choose_primary(
    table: pd.DataFrame, baseline: str, primary: Primary | None, controls: Collection[str] = ()
) -> Primary:
    """Return the primary comparison, after checking that `table` allows it.

    Args:
        table: Predictions.
        baseline: Baseline where no comparison was stated.
        primary: The stated comparison; without it the first method by name is compared with the baseline.
        controls: Arms that are no methods.

    Raises:
        UsageError: An arm or a budget is missing.
    """
    present = sorted(set(table["arm"]))
    if primary is None:
        methods = [arm for arm in present if arm != baseline and arm not in controls]
        if not methods:
            raise UsageError(
                f"predictions: no arm to compare with {baseline!r}; the arms are {', '.join(present)}"
            )
        primary = Primary(arm=methods[0], baseline=baseline)
    for arm in (primary.arm, primary.baseline):
        if arm not in present:
            raise UsageError(
                f"predictions: arm {arm!r} is not in the table; the arms are {', '.join(present)}"
            )
    one, two = (set(table.loc[table["arm"] == arm, "budget"]) for arm in (primary.arm, primary.baseline))
    missing = [budget for budget in primary.budgets if budget not in one & two]
    if missing or not one & two:
        what = f"budget {missing[0]!r}" if missing else "a common budget"
        raise UsageError(
            f"predictions: {primary.arm} and {primary.baseline} do not both have {what}; "
            "run the missing experiment cells"
        )
    return primary


def order_arms(arms: Iterable[str], primary: Primary, controls: Collection[str] = ()) -> list[str]:
    """Return the distinct arms: the primary method, other methods, the baseline, controls."""
    return sorted(
        set(arms), key=lambda arm: (arm in controls, arm == primary.baseline, arm != primary.arm, arm)
    )
