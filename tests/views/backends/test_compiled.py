"""Compiled loops give what the plain ones give."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba")

from medcl.views.backends.compiled import compiled


def total(values: np.ndarray) -> float:
    result = 0.0
    for value in values:
        result += value
    return result


def test_a_compiled_loop_is_the_loop_and_keeps_nan_and_infinity() -> None:
    fast = compiled(total)
    for values in (np.arange(5.0), np.array([1.0, np.nan]), np.array([np.inf, 1.0]), np.zeros(0)):
        np.testing.assert_equal(fast(values), total(values))
