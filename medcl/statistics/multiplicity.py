"""Tests of paired decisions and corrections for several comparisons."""

from __future__ import annotations

import numpy as np
from scipy import stats


def mcnemar(first_only: int, second_only: int) -> float:
    """Return the exact two-sided p-value of McNemar's test.

    Args:
        first_only: patients whom only the first arm called rightly.
        second_only: patients whom only the second did.
    """
    discordant = first_only + second_only
    return float(stats.binomtest(first_only, discordant, 0.5).pvalue) if discordant else 1.0


def holm(p_values: np.ndarray) -> np.ndarray:
    """Return Holm's adjusted p-values (Holm 1979): a family is tested at .05 by comparing each with .05.

    Args:
        p_values: (k,) of one family.
    """
    p_values = np.asarray(p_values, dtype=float)
    order = np.argsort(p_values, kind="stable")
    stepped = np.maximum.accumulate(p_values[order] * np.arange(len(p_values), 0, -1))
    adjusted = np.empty_like(stepped)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted
