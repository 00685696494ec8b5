"""McNemar's test against worked examples."""

from __future__ import annotations

import pytest
from scipy import stats

from medcl.statistics.mcnemar import mcnemar


def test_mcnemar_worked_examples() -> None:
    assert mcnemar(1, 11) == pytest.approx(26 / 4096)  # 2 * (1 + 12) / 2**12
    assert mcnemar(11, 1) == mcnemar(1, 11)
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(5, 5) == 1.0
    assert mcnemar(121, 59) == pytest.approx(2 * stats.binom.cdf(59, 180, 0.5))
