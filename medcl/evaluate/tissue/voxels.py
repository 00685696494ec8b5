"""Voxels of maps, counted by level of probability, so that every metric is exact and a scan is read once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LEVELS = 65536
"""Maps hold probabilities in 16 bits."""

OUTSIDE, HEALTHY, ABNORMAL = 0, 1, 2
"""Values of a truth file: not evaluated, tissue without and within the mask."""


@dataclass(frozen=True)
class Voxels:
    """How many voxels have each level of probability, (LEVELS,) each."""

    healthy: np.ndarray
    abnormal: np.ndarray

    @classmethod
    def of(cls, levels: np.ndarray, truth: np.ndarray) -> Voxels:
        """Count the voxels of a map (whole numbers below LEVELS) by its truth."""
        sides = (np.bincount(levels[truth == value], minlength=LEVELS) for value in (HEALTHY, ABNORMAL))
        return cls(*sides)

    def __add__(self, other: Voxels) -> Voxels:
        return Voxels(self.healthy + other.healthy, self.abnormal + other.abnormal)

    @property
    def prevalence(self) -> float:
        """Share of abnormal voxels: what average precision is by chance."""
        return float(self.abnormal.sum() / (self.abnormal.sum() + self.healthy.sum()))

    def auroc(self) -> float:
        """Return the area under the ROC curve, ties counted half."""
        below = np.cumsum(self.healthy) - self.healthy / 2
        return float(self.abnormal @ below / (self.abnormal.sum() * self.healthy.sum()))

    def average_precision(self) -> float:
        """Return the mean precision over the abnormal voxels, as scikit-learn's `average_precision_score`."""
        hits, calls = self._called()
        there = self.abnormal[::-1] > 0
        gained = self.abnormal[::-1][there] / self.abnormal.sum()
        return float(gained @ (hits[there] / calls[there]))

    def dice(self) -> np.ndarray:
        """Return the Dice coefficient (LEVELS,) of the voxels at each level or above."""
        hits, calls = self._called()
        found: np.ndarray = (2 * hits / (calls + self.abnormal.sum()))[::-1]
        return found

    def _called(self) -> tuple[np.ndarray, np.ndarray]:
        """Return abnormal and all voxels at each level or above, from the highest level down."""
        hits = np.cumsum(self.abnormal[::-1])
        return hits, hits + np.cumsum(self.healthy[::-1])
