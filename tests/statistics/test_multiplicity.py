"""Adjusted p-values against a worked example."""

from __future__ import annotations

import numpy as np

from medcl.statistics.multiplicity import adjust


def test_holm_worked_example() -> None:
    np.testing.assert_allclose(adjust(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])
    assert adjust(np.array([0.6, 0.5])).tolist() == [1.0, 1.0]
    assert adjust(np.array([])).tolist() == []
