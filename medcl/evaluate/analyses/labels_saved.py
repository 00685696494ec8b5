"""Label efficiency: how many labels the baseline needs to reach what the method reaches with few."""

from __future__ import annotations

import numpy as np
import pandas as pd

from medcl.evaluate.analyses.resampling import Resampled
from medcl.statistics import METRICS

COLUMNS = [
    "budget",
    "labels",
    "needed",
    "needed_low",
    "needed_high",
    "times",
    "times_low",
    "times_high",
    "least",
    "most",
]


def labels_needed(labels: np.ndarray, curve: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the fewest labels at which the baseline's curve reaches `target`, for each draw, (draws,).

    The curve is made monotone (its running maximum) and interpolated between budgets on the logarithm of the
    labels. A target that is already reached at the first budget gives the first budget, since nothing is
    known below it. A target that is never reached gives infinity.

    Args:
        labels: Number of labels, (budgets,), ascending.
        curve: The baseline's metric, (budgets, draws); higher is better.
        target: The method's metric, (draws,).
    """
    curve = np.maximum.accumulate(curve, axis=0)
    scale = np.log(labels)
    needed = np.where(curve[0] >= target, scale[0], np.inf)
    for i in range(1, len(labels)):
        low, high = curve[i - 1], curve[i]
        here = np.isinf(needed) & (high >= target)
        share = np.divide(target - low, high - low, out=np.ones_like(target), where=high > low)
        needed = np.where(here, scale[i - 1] + share * (scale[i] - scale[i - 1]), needed)
    return np.exp(needed)


def labels_saved(
    resampled: Resampled, arms: pd.DataFrame, arm: str, baseline: str, metric: str
) -> pd.DataFrame:
    """Return for each budget of `arm` how many labels the baseline needs to reach the same `metric`.

    Returns:
        Columns budget, labels, needed, needed_low, needed_high, times (needed / labels), times_low,
        times_high, least, most (the baseline's budgets). Infinity means more than `most`; `least` means at
        most that. Empty where the number of labels is not known.
    """
    table = arms[arms["metric"] == metric]
    baseline_rows = table[table["arm"] == baseline].sort_values("labels")
    if baseline_rows["labels"].isna().any() or len(baseline_rows) < 2:
        return pd.DataFrame(columns=COLUMNS)
    sign = 1.0 if METRICS[metric].higher_is_better else -1.0
    labels = baseline_rows["labels"].to_numpy(dtype=float)
    samples = [resampled.mean(baseline, budget, metric) for budget in baseline_rows["budget"]]
    values = sign * np.array([[sample.value] for sample in samples])
    draws = sign * np.stack([sample.draws for sample in samples])
    rows = []
    budgets = table[(table["arm"] == arm) & table["labels"].notna()][["budget", "labels"]]
    for budget, count in budgets.itertuples(index=False, name=None):
        sample = resampled.mean(arm, budget, metric)
        needed = float(labels_needed(labels, values, np.array([sign * sample.value]))[0])
        needed_by_draw = labels_needed(labels, draws, sign * sample.draws)
        low, high = np.quantile(needed_by_draw, [0.025, 0.975], method="inverted_cdf")
        times = (needed / count, low / count, high / count)
        rows.append((budget, count, needed, low, high, *times, labels[0], labels[-1]))
    return pd.DataFrame(rows, columns=COLUMNS)
