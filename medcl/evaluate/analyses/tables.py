"""Tables of the analyses beyond the main one."""

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
from medcl.statistics import METRICS, Sample, calibration_line, predictive_values


def analysis_tables(
    resampled: Resampled,
    arms: pd.DataFrame,
    primary: Primary,
    predictions: pd.DataFrame,
    groups: pd.DataFrame | None,
    prevalence: float | None,
) -> dict[str, pd.DataFrame]:
    """Return the tables by name, each possibly empty.

    Args:
        resampled: Bootstrap draws.
        arms: Table of that name in `Evaluation`.
        primary: The primary comparison.
        predictions: All predictions, corrupted images included.
        groups: Column scan and one column per variable, for subgroups; the site is added from the
            predictions.
        prevalence: Share of positives (0..1) at which precision and NPV are computed too.
    """
    pair = (primary.arm, primary.baseline)
    budgets = [
        budget
        for budget in primary.budgets or tuple(dict.fromkeys(arms["budget"]))
        if all(resampled.panel.rows(arm, budget) for arm in pair)
    ]
    return {
        "labels_saved": labels_saved(resampled, arms, *pair, primary.metric),
        "tests": paired_tests(resampled, *pair, budgets),
        "calibration": _calibration(resampled, pair, budgets),
        "at_prevalence": _at_prevalence(resampled, pair, budgets, prevalence),
        "decision_curves": decision_curves(resampled, pair, budgets),
        "subgroups": _subgroups(resampled, predictions, groups, primary.arm, budgets),
        "robustness": robustness(predictions, resampled),
    }


def _calibration(resampled: Resampled, arms: tuple[str, ...], budgets: list[str]) -> pd.DataFrame:
    panel = resampled.panel

    def statistic(row: int, weights: np.ndarray) -> np.ndarray:
        return np.stack(calibration_line(panel.truth, panel.probability[row], weights))

    rows = []
    for budget in budgets:
        for arm in arms:
            intercept, slope = resampled.samples(list(panel.rows(arm, budget).values()), statistic)
            rows.append((arm, budget, *_estimate(intercept), *_estimate(slope)))
    columns = ["arm", "budget", "intercept", "intercept_low", "intercept_high"]
    return pd.DataFrame(rows, columns=[*columns, "slope", "slope_low", "slope_high"])


def _at_prevalence(
    resampled: Resampled, arms: tuple[str, ...], budgets: list[str], prevalence: float | None
) -> pd.DataFrame:
    """Return precision and NPV at the stated prevalence, from the same draws of recall and specificity."""
    columns = ["arm", "budget", "prevalence", "precision", "precision_low", "precision_high"]
    columns += ["npv", "npv_low", "npv_high"]
    if prevalence is None:
        return pd.DataFrame(columns=columns)
    rows = []
    at = [list(METRICS).index(name) for name in ("recall", "specificity")]
    for budget in budgets:
        for arm in arms:
            cells = list(resampled.panel.rows(arm, budget).values())
            blocks = (
                block[cells][:, at] for block in (resampled.values, resampled.draws, resampled.left_out)
            )
            values = [np.stack(predictive_values(block[:, 0], block[:, 1], prevalence)) for block in blocks]
            precision, npv = (resampled.summarize(*(value[i] for value in values)) for i in range(2))
            rows.append((arm, budget, prevalence, *_estimate(precision), *_estimate(npv)))
    return pd.DataFrame(rows, columns=columns)


def _estimate(sample: Sample) -> tuple[float, float, float]:
    """Return value, low and high."""
    return sample.value, *sample.interval()


def _subgroups(
    resampled: Resampled,
    predictions: pd.DataFrame,
    groups: pd.DataFrame | None,
    arm: str,
    budgets: list[str],
) -> pd.DataFrame:
    test = predictions[predictions["split"] == "test"].drop_duplicates("scan")
    variables = test[["scan", "site"]] if test["site"].nunique() > 1 else test[["scan"]]
    if groups is not None:
        variables = variables.merge(groups.drop(columns="site", errors="ignore"), on="scan", how="left")
    if variables.shape[1] < 2:
        return pd.DataFrame()
    parts = [
        subgroups(resampled, variables, arm, budget).assign(arm=arm, budget=budget) for budget in budgets
    ]
    return pd.concat(parts, ignore_index=True)
