"""The evidence beyond the main table: labels saved, tests, calibration, utility, subgroups, robustness."""

from __future__ import annotations

import numpy as np
import pandas as pd

from medcl.evaluate.analyses.decision_curve import decision_curves
from medcl.evaluate.analyses.labels_saved import labels_saved
from medcl.evaluate.analyses.paired_tests import paired_tests
from medcl.evaluate.analyses.resampling import Resampled
from medcl.evaluate.analyses.robustness import robustness
from medcl.evaluate.analyses.subgroups import subgroups
from medcl.evaluate.comparison import Primary
from medcl.statistics.bootstrap import Sample
from medcl.statistics.calibration import calibration_line, predictive_values
from medcl.statistics.metrics import METRICS


def further_tables(
    found: Resampled,
    arms: pd.DataFrame,
    primary: Primary,
    predictions: pd.DataFrame,
    groups: pd.DataFrame | None,
    prevalence: float | None,
) -> dict[str, pd.DataFrame]:
    """Return further tables by name, each possibly empty.

    Args:
        groups: column scan and one a variable, for subgroups; the site is added from the predictions.
        prevalence: share of positives (0..1) at which precision and NPV are wanted too.
    """
    pair = (primary.arm, primary.baseline)
    wanted = primary.budgets or tuple(dict.fromkeys(arms["budget"]))
    budgets = [budget for budget in wanted if all(found.panel.rows(arm, budget) for arm in pair)]
    return {
        "labels_saved": labels_saved(found, arms, *pair, primary.metric),
        "tests": paired_tests(found, *pair, budgets),
        "calibration": _calibration(found, pair, budgets),
        "at_prevalence": _at_prevalence(found, pair, budgets, prevalence),
        "decision_curves": decision_curves(found, pair, budgets),
        "subgroups": _subgroups(found, predictions, groups, primary.arm, budgets),
        "robustness": robustness(predictions, found),
    }


def _calibration(found: Resampled, arms: tuple[str, ...], budgets: list[str]) -> pd.DataFrame:
    board = found.panel

    def statistic(row: int, weights: np.ndarray) -> np.ndarray:
        return np.stack(calibration_line(board.truth, board.probability[row], weights))

    rows = []
    for budget in budgets:
        for arm in arms:
            intercept, slope = found.samples(list(board.rows(arm, budget).values()), statistic)
            rows.append((arm, budget, *_with_ends(intercept), *_with_ends(slope)))
    columns = [
        "arm",
        "budget",
        "intercept",
        "intercept_low",
        "intercept_high",
        "slope",
        "slope_low",
        "slope_high",
    ]
    return pd.DataFrame(rows, columns=columns)


def _at_prevalence(
    found: Resampled, arms: tuple[str, ...], budgets: list[str], prevalence: float | None
) -> pd.DataFrame:
    """Return precision and NPV at the stated prevalence, from the same draws of recall and specificity."""
    rows = []
    places = [METRICS.index(name) for name in ("recall", "specificity")]
    for budget in budgets if prevalence is not None else ():
        for arm in arms:
            cells = list(found.panel.rows(arm, budget).values())
            blocks = (block[cells][:, places] for block in (found.values, found.draws, found.left_out))
            values = [
                np.stack(predictive_values(block[:, 0], block[:, 1], prevalence or 0.0)) for block in blocks
            ]
            precision, npv = (found.over(*(value[i] for value in values)) for i in range(2))
            rows.append((arm, budget, prevalence, *_with_ends(precision), *_with_ends(npv)))
    columns = ["arm", "budget", "prevalence", "precision", "precision_low", "precision_high"]
    return pd.DataFrame(rows, columns=[*columns, "npv", "npv_low", "npv_high"])


def _with_ends(sample: Sample) -> tuple[float, float, float]:
    return sample.value, *sample.interval()


def _subgroups(
    found: Resampled, predictions: pd.DataFrame, groups: pd.DataFrame | None, arm: str, budgets: list[str]
) -> pd.DataFrame:
    test = predictions[predictions["split"] == "test"].drop_duplicates("scan")
    known = test[["scan", "site"]] if test["site"].nunique() > 1 else test[["scan"]]
    if groups is not None:
        known = known.merge(groups.drop(columns="site", errors="ignore"), on="scan", how="left")
    if known.shape[1] < 2:
        return pd.DataFrame()
    parts = [subgroups(found, known, arm, budget).assign(arm=arm, budget=budget) for budget in budgets]
    return pd.concat(parts, ignore_index=True)
