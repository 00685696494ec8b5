"""Thresholds come from validation scans alone, by the rules that the report states."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from medcl.statistics.thresholds import operating_points


@given(st.integers(0, 2**31), st.integers(4, 40), st.sampled_from([3, 10, 1000]))
@settings(max_examples=40, deadline=None)
def test_no_threshold_has_more_f1(seed: int, n: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    truth, probability = rng.random(n) < 0.5, rng.integers(0, levels, size=n) / levels
    truth[:2] = [True, False]
    main = operating_points(truth, probability)[0]
    best = max(f1_score(truth, probability >= t) for t in np.append(np.unique(probability), 2.0)[:-1])
    assert f1_score(truth, probability >= main.threshold) == pytest.approx(best, abs=1e-12)


def test_fixed_recall_and_specificity_are_reached() -> None:
    rng = np.random.default_rng(1)
    truth = rng.random(400) < 0.4
    probability = np.clip(0.3 * truth + 0.7 * rng.random(400), 0, 1)
    _, recall90, recall95, specificity90, specificity95 = operating_points(truth, probability)
    for point, target in ((recall90, 0.9), (recall95, 0.95)):
        assert (probability[truth] >= point.threshold).mean() >= target
        assert (probability[truth] >= point.threshold + 0.02).mean() < target
    for point, target in ((specificity90, 0.9), (specificity95, 0.95)):
        assert (probability[~truth] < point.threshold).mean() >= target
        assert (probability[~truth] < point.threshold - 0.02).mean() < target


def test_separated_classes_are_cut_half_way() -> None:
    points = operating_points(np.array([True, True, False, False]), np.array([0.9, 0.7, 0.3, 0.1]))
    assert points[0].threshold == pytest.approx(0.5)


def test_ties_go_to_the_highest_threshold() -> None:
    # Calling the first alone, or all three, gives F1 2/3 and 4/5; calling four gives 2*2/(2*2+2) = 2/3.
    truth, probability = np.array([1, 0, 0, 1, 0, 0], dtype=bool), np.array([0.9, 0.8, 0.7, 0.6, 0.1, 0.1])
    assert operating_points(truth, probability)[0].threshold == pytest.approx(0.85)


@pytest.mark.parametrize("truth", [[], [True, True], [False]])
def test_one_class_gives_one_half(truth: list[bool]) -> None:
    (only,) = operating_points(np.array(truth, dtype=bool), np.full(len(truth), 0.2))
    assert only.threshold == 0.5
