"""How many labels the baseline needs to do what the method does with few."""

from __future__ import annotations

import numpy as np
import pandas as pd

from medcl.evaluate.analyses.resampling import Resampled
from medcl.statistics.metrics import LESS_IS_BETTER


def labels_needed(labels: np.ndarray, curve: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the fewest labels at which the baseline's curve reaches `target`, for each draw.

    The curve is made monotone (its running maximum) and interpolated between budgets on the logarithm of the
    labels. Below the first budget nothing is known: a target reached there gives the first budget. A target
    that is never reached gives infinity.

    Args:
        labels: (budgets,) ascending.
        curve: (budgets, draws) of the baseline; more is better.
        target: (draws,) of the method.
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


def labels_saved(found: Resampled, arms: pd.DataFrame, arm: str, baseline: str, metric: str) -> pd.DataFrame:
    """Return for each budget of `arm` how many labels the baseline needs for the same `metric`.

    Returns:
        budget, labels, needed, needed_low, needed_high, times (needed / labels), times_low, times_high,
        least, most (the baseline's budgets). Infinity means more than `most`; `least` means at most that.
        Empty where labels are not known.
    """
    columns = [
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
    table = arms[arms["metric"] == metric]
    theirs = table[table["arm"] == baseline].sort_values("labels")
    if theirs["labels"].isna().any() or len(theirs) < 2:
        return pd.DataFrame(columns=columns)
    sign = -1.0 if metric in LESS_IS_BETTER else 1.0
    labels = theirs["labels"].to_numpy(dtype=float)
    samples = [found.mean(baseline, budget, metric) for budget in theirs["budget"]]
    values = sign * np.array([[sample.value] for sample in samples])
    draws = sign * np.stack([sample.draws for sample in samples])
    rows = []
    for budget, own in table[(table["arm"] == arm) & table["labels"].notna()][
        ["budget", "labels"]
    ].itertuples(index=False, name=None):
        mine = found.mean(arm, budget, metric)
        needed = float(labels_needed(labels, values, np.array([sign * mine.value]))[0])
        spread = labels_needed(labels, draws, sign * mine.draws)
        low, high = np.quantile(spread, [0.025, 0.975], method="inverted_cdf")
        rows.append(
            (budget, own, needed, low, high, needed / own, low / own, high / own, labels[0], labels[-1])
        )
    return pd.DataFrame(rows, columns=columns)
