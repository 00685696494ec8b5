"""Lesions found against false alarms: free-response ROC.

A lesion is a connected component of the mask; a detection is a peak of the map (CAMELYON16's definition: a
region of any size that touches a lesion would find it too, and one that covers a whole scan finds them all).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from medcl.evaluate.tissue.voxels import ABNORMAL

ALLOWED = (0.25, 0.5, 1, 2, 4, 8)
"""False positives a scan at which the share of lesions found is averaged, as in CAMELYON16."""


@dataclass(frozen=True)
class Detections:
    """Peaks of maps against lesions.

    Attributes:
        false: levels of the peaks that lie in no lesion.
        hit: for each lesion the highest level of a peak in it, 0 for none.
        scans: how many there are.
    """

    false: np.ndarray
    hit: np.ndarray
    scans: int

    @classmethod
    def of(
        cls, levels: np.ndarray, truth: np.ndarray, apart: Sequence[int], least_voxels: float
    ) -> Detections:
        """Compare the peaks of a map with the components of its truth.

        Args:
            levels, truth: (I, J, K).
            apart: voxels along each axis within which only the highest is a peak.
            least_voxels: smaller components are specks: nobody is asked to find them, nor punished for it.
        """
        lesions, count = ndimage.label(truth == ABNORMAL, np.ones((3, 3, 3)))
        large = np.bincount(lesions.ravel(), minlength=count + 1)[1:] >= least_voxels
        peaks = (levels > 0) & (levels == ndimage.maximum_filter(levels, size=tuple(apart)))
        plateaus, number = ndimage.label(peaks, np.ones((3, 3, 3)))
        at = ndimage.maximum_position(levels, plateaus, np.arange(1, number + 1))
        at = np.array(at, int).reshape(-1, 3)
        height, where = levels[tuple(at.T)], lesions[tuple(at.T)]
        hit = np.zeros(count + 1, int)
        np.maximum.at(hit, where, height)
        return cls(height[where == 0], hit[1:][large], 1)

    def __add__(self, other: Detections) -> Detections:
        return Detections(
            np.concatenate([self.false, other.false]),
            np.concatenate([self.hit, other.hit]),
            self.scans + other.scans,
        )

    def sensitivity(self, allowed: float) -> float:
        """Return the share of lesions found at the lowest threshold with at most `allowed` false positives a
        scan; NaN without lesions.
        """
        if not self.hit.size:
            return float("nan")
        highest = np.sort(self.false)[::-1]
        count = int(allowed * self.scans)
        above = highest[count] if count < highest.size else 0
        return float(np.mean(self.hit > above))

    def score(self) -> float:
        """Return the sensitivity, averaged over `ALLOWED`."""
        return float(np.mean([self.sensitivity(allowed) for allowed in ALLOWED]))
