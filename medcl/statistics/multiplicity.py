"""Adjustment of p-values for several comparisons, by the one method that all of medcl uses."""

from __future__ import annotations

import numpy as np

CORRECTION = "Holm"
"""Name of the method of `adjust`, for every sentence that names it."""


def adjust(p_values: np.ndarray) -> np.ndarray:
    """Return Holm's adjusted p-values (Holm 1979), each to be compared with the level of the whole family.

    Args:
        p_values: p-values (k,) of one family.
    """
    p_values = np.asarray(p_values, dtype=float)
    order = np.argsort(p_values, kind="stable")
    stepped = np.maximum.accumulate(p_values[order] * np.arange(len(p_values), 0, -1))
    adjusted = np.empty_like(stepped)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted
