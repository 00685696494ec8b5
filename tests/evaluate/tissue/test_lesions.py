"""FROC against counts by hand."""

from __future__ import annotations

import numpy as np

from medcl.evaluate.tissue.lesions import Detections
from medcl.evaluate.tissue.voxels import ABNORMAL, HEALTHY


def scene() -> tuple[np.ndarray, np.ndarray]:
    """Two lesions and a speck; peaks of 900 in the first, 500 and 300 beside them, none in the second."""
    truth = np.full((30, 30, 10), HEALTHY)
    truth[3:8, 3:8, 3:6] = truth[20:25, 20:25, 3:6] = ABNORMAL
    truth[15, 3, 3] = ABNORMAL
    levels = np.zeros(truth.shape, np.uint16)
    levels[5, 5, 4], levels[15, 15, 4], levels[27, 3, 4], levels[15, 3, 3] = 900, 500, 300, 950
    return levels, truth


def test_lesions_and_false_positives_are_counted_by_hand() -> None:
    detections = Detections.of(*scene(), distance=(5, 5, 5), min_voxels=10)
    assert sorted(detections.false_peaks) == [300, 500]
    assert sorted(detections.lesion_peaks) == [0, 900]
    assert detections.sensitivity(0.25) == 0.5, "without any false positive the first lesion is found"
    assert detections.score() == 0.5
    both = detections + Detections(np.array([100]), np.array([200, 50]), 1)
    assert both.sensitivity(0.25) == 0.25
    assert both.sensitivity(0.5) == 0.25, "one false positive in two scans: all above 300"
    assert both.sensitivity(1) == 0.5, "two: all above 100"
    assert both.sensitivity(2) == 0.75, "the missed lesion stays missed"


def test_a_map_that_calls_everything_does_not_find_everything() -> None:
    levels, truth = scene()
    flat = np.full_like(levels, 700)
    assert Detections.of(flat, truth, (5, 5, 5), 10).score() <= 0.5


def test_a_plateau_is_one_detection() -> None:
    levels, truth = scene()
    levels[4:7, 4:7, 3:5] = 900
    detections = Detections.of(levels, truth, (3, 3, 3), 10)
    assert sorted(detections.lesion_peaks) == [0, 900]
    assert sorted(detections.false_peaks) == [300, 500]
