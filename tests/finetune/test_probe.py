"""The linear probe."""

from __future__ import annotations

import numpy as np
import pytest

from medcl.finetune import (
    LinearProbe,
)


def test_the_pool_centers_a_probe_and_its_labels_do_not() -> None:
    generator = np.random.default_rng(0)
    pool = generator.normal(3, 2, (500, 4))
    probe = LinearProbe().fit_pool(pool).fit(pool[:6] + 1, np.array([0, 1, 0, 1, 0, 1]))
    np.testing.assert_allclose(probe.center_, pool.mean(axis=0))
    assert probe.scale_ == pytest.approx(2, rel=0.1)
