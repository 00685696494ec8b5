"""Decision curve analysis: net benefit against treating all or none (Vickers 2006)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from medcl.evaluate.analyses.resampling import Resampled

THRESHOLDS = np.arange(1, 20) / 20


def net_benefit(truth: np.ndarray, probability: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the net benefit TP/n - FP/n * t/(1 - t), (thresholds, draws); positive is `t` or above."""
    called = probability >= THRESHOLDS[:, None]
    odds = (THRESHOLDS / (1 - THRESHOLDS))[:, None]
    benefit = np.where(truth, called, -odds * called)
    return np.asarray(benefit @ weights / weights.sum(axis=0))


def decision_curves(resampled: Resampled, arms: Iterable[str], budgets: Iterable[str]) -> pd.DataFrame:
    """Return arm, budget, threshold, net_benefit (mean over seeds), low, high, treat_all (none is 0)."""
    panel = resampled.panel
    prevalence = panel.truth.mean()
    treat_all = prevalence - (1 - prevalence) * THRESHOLDS / (1 - THRESHOLDS)

    def statistic(row: int, weights: np.ndarray) -> np.ndarray:
        return net_benefit(panel.truth, panel.probability[row], weights)

    parts = []
    for budget in budgets:
        for arm in arms:
            samples = resampled.samples(list(panel.rows(arm, budget).values()), statistic)
            ends = np.array([sample.interval() for sample in samples])
            columns = {"arm": arm, "budget": budget, "threshold": THRESHOLDS.round(2)}
            columns |= {
                "net_benefit": [sample.value for sample in samples],
                "low": ends[:, 0],
                "high": ends[:, 1],
            }
            parts.append(pd.DataFrame(columns | {"treat_all": treat_all}))
    return pd.concat(parts, ignore_index=True)
