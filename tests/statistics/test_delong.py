"""DeLong's test against pROC's published value and the formula of 1988."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medcl.statistics.delong import auroc_covariance, delong


def test_variance_equals_that_of_proc() -> None:
    """WFNS grades of the subarachnoid haemorrhage patients that pROC ships (Turck 2010), by outcome.

    pROC's own tests give AUROC 0.8236789 and variance 0.00146991470882363.
    """
    good, poor = (np.repeat([1.0, 2, 3, 4, 5], counts) for counts in ([37, 20, 3, 8, 4], [2, 12, 1, 8, 18]))
    grades = np.concatenate([good, poor])
    truth = np.arange(len(grades)) >= len(good)
    areas, covariance = auroc_covariance(truth, np.stack([grades, -grades]))
    assert areas == pytest.approx([0.8236789, 1 - 0.8236789], abs=1e-7)
    assert covariance[0, 0] == pytest.approx(0.00146991470882363, abs=1e-15)
    assert covariance[0, 1] == pytest.approx(-0.00146991470882363, abs=1e-15)


def _by_definition(truth: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """DeLong 1988, equations 3 to 5, pair by pair."""
    positive, negative = scores[:, truth], scores[:, ~truth]
    wins = (positive[:, :, None] > negative[:, None]) + 0.5 * (positive[:, :, None] == negative[:, None])
    of_positive, of_negative = wins.mean(axis=2), wins.mean(axis=1)
    covariance = np.cov(of_positive) / positive.shape[1] + np.cov(of_negative) / negative.shape[1]
    return wins.mean(axis=(1, 2)), covariance


@given(st.integers(0, 2**31), st.integers(6, 40), st.sampled_from([3, 1000]))
@settings(max_examples=40, deadline=None)
def test_fast_form_equals_definition(seed: int, n: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.permutation(np.arange(n) < max(2, n // 3))
    scores = rng.integers(0, levels, size=(2, n)) / levels
    fast, expected = auroc_covariance(truth, scores), _by_definition(truth, scores)
    np.testing.assert_allclose(fast[0], expected[0], atol=1e-12)
    np.testing.assert_allclose(fast[1], expected[1], atol=1e-12)


def test_delong_is_symmetric_and_knows_equals() -> None:
    rng = np.random.default_rng(0)
    truth, one, two = rng.random(80) < 0.5, rng.random(80), rng.random(80)
    forward, back = delong(truth, one, two), delong(truth, two, one)
    assert forward.difference == pytest.approx(-back.difference)
    assert forward.p == pytest.approx(back.p)
    assert delong(truth, one, one).p == 1.0
    assert delong(truth, one, one / 2).p == 1.0, "ranks are the same"


def test_delong_keeps_its_level_and_has_power() -> None:
    rng = np.random.default_rng(1)
    rejected = dict.fromkeys((0.0, 1.0), 0)
    for shift in rejected:
        for _ in range(400):
            truth = np.arange(100) < 50
            shared = rng.normal(size=100) + 1.2 * truth
            one, two = (shared + rng.normal(size=100) + extra * truth for extra in (shift, 0.0))
            rejected[shift] += delong(truth, one, two).p < 0.05
    assert 0.02 <= rejected[0.0] / 400 <= 0.085
    assert rejected[1.0] / 400 > 0.7
