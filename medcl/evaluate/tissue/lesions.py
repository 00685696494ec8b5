"""Detected lesions against false positives: free-response ROC (FROC).

A lesion is a connected component of the mask; a detection is a peak of the map, as in CAMELYON16. Regions
would not do as detections: a single one that covers the whole scan would detect every lesion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from medcl.evaluate.tissue.voxels import ABNORMAL

ALLOWED = (0.25, 0.5, 1, 2, 4, 8)
"""False positives per scan at which sensitivity is averaged, as in CAMELYON16."""


@dataclass(frozen=True)
class Detections:
    """Peaks of maps against lesions.

    Attributes:
        false_peaks: Levels of the peaks outside lesions.
        lesion_peaks: Highest level of a peak in each lesion, 0 for none.
        scans: Number of scans.
    """

    false_peaks: np.ndarray
    lesion_peaks: np.ndarray
    scans: int

    @classmethod
    def of(
        cls, levels: np.ndarray, truth: np.ndarray, distance: Sequence[int], min_voxels: float
    ) -> Detections:
        """Compare the peaks of a map with the components of its truth.

        Args:
            levels: Map, (I, J, K).
            truth: Truth, (I, J, K).
            distance: Voxels along each axis within which only the highest is a peak.
            min_voxels: Size of the smallest lesion; a peak in a smaller component is neither a hit nor false.
        """
        lesions, count = ndimage.label(truth == ABNORMAL, np.ones((3, 3, 3)))
        large = np.bincount(lesions.ravel(), minlength=count + 1)[1:] >= min_voxels
        peaks = (levels > 0) & (levels == ndimage.maximum_filter(levels, size=tuple(distance)))
        plateaus, number = ndimage.label(peaks, np.ones((3, 3, 3)))
        at = ndimage.maximum_position(levels, plateaus, np.arange(1, number + 1))
        at = np.array(at, int).reshape(-1, 3)
        height, where = levels[tuple(at.T)], lesions[tuple(at.T)]
        highest = np.zeros(count + 1, int)
        np.maximum.at(highest, where, height)
        return cls(height[where == 0], highest[1:][large], 1)

    def __add__(self, other: Detections) -> Detections:
        return Detections(
            np.concatenate([self.false_peaks, other.false_peaks]),
            np.concatenate([self.lesion_peaks, other.lesion_peaks]),
            self.scans + other.scans,
        )

    def sensitivity(self, allowed: float) -> float:
        """Return the share of lesions detected with at most `allowed` false positives per scan.

        The threshold is the lowest that allows no more; NaN without lesions.
        """
        if not self.lesion_peaks.size:
            return float("nan")
        highest = np.sort(self.false_peaks)[::-1]
        count = int(allowed * self.scans)
        above = highest[count] if count < highest.size else 0
        return float(np.mean(self.lesion_peaks > above))

    def score(self) -> float:
        """Return the sensitivity, averaged over `ALLOWED`."""
        return float(np.mean([self.sensitivity(allowed) for allowed in ALLOWED]))
