"""Metrics of voxels equal scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from medcl.evaluate.tissue.voxels import ABNORMAL, HEALTHY, LEVELS, Voxels


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.sampled_from([2, 5, LEVELS]))
def test_voxel_metrics_equal_scikit_learn_s(seed: int, levels: int) -> None:
    generator = np.random.default_rng(seed)
    map_levels = generator.integers(0, levels, 300)
    truth = np.where(generator.random(300) < 0.2, ABNORMAL, HEALTHY)
    truth[:2] = HEALTHY, ABNORMAL
    voxels, positive = Voxels.of(map_levels, truth), truth == ABNORMAL
    assert voxels.auroc() == pytest.approx(roc_auc_score(positive, map_levels), abs=1e-12)
    assert voxels.average_precision() == pytest.approx(
        average_precision_score(positive, map_levels), abs=1e-12
    )
    for level in (0, 1, levels // 2, levels - 1):
        expected = f1_score(positive, map_levels >= level, zero_division=0.0)
        assert voxels.dice()[level] == pytest.approx(expected, abs=1e-12)
    assert voxels.prevalence == pytest.approx(positive.mean())
