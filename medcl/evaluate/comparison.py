"""The primary comparison of a study."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import pandas as pd

from medcl.errors import UsageError
from medcl.evaluate.arms import BASELINE
from medcl.statistics import METRICS


@dataclass(frozen=True)
class Primary:
    """The comparison stated before the run: `arm` against `baseline` in `metric` at `budgets` (none: all).

    Attributes:
        margin: Difference that must be exceeded.
    """

    arm: str
    baseline: str = BASELINE
    metric: str = "auroc"
    budgets: tuple[str, ...] = ()
    margin: float = 0.0


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
        UsageError: An arm, a budget or the metric is missing.
    """
    present = sorted(set(table["arm"]))
    if primary is None:
        methods = [arm for arm in present if arm != baseline and arm not in controls]
        if not methods:
            raise UsageError(
                f"predictions: no arm to compare with {baseline!r}; the arms are {', '.join(present)}"
            )
        primary = Primary(methods[0], baseline)
    if primary.metric not in METRICS:
        raise UsageError(f"primary metric {primary.metric!r} is unknown; use one of {', '.join(METRICS)}")
    for arm in (primary.arm, primary.baseline):
        if arm not in present:
            raise UsageError(
                f"predictions: arm {arm!r} is not in the table; the arms are {', '.join(present)}"
            )
    one, two = (set(table.loc[table["arm"] == arm, "budget"]) for arm in (primary.arm, primary.baseline))
    missing = [budget for budget in primary.budgets if budget not in one & two]
    if missing or not one & two:
        what = f"budget {missing[0]!r}" if missing else "a common budget"
        raise UsageError(f"predictions: {primary.arm} and {primary.baseline} lack {what}; run those cells")
    return primary


def order_arms(arms: Iterable[str], primary: Primary, controls: Collection[str] = ()) -> list[str]:
    """Return the distinct arms: the primary method, other methods, the baseline, controls."""
    return sorted(
        set(arms), key=lambda arm: (arm in controls, arm == primary.baseline, arm != primary.arm, arm)
    )
