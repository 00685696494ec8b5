"""Voxels of maps, counted by level of probability: metrics are exact and each scan is read once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LEVELS = 65536
"""Number of levels of a map, which stores probabilities in 16 bits."""

OUTSIDE, HEALTHY, ABNORMAL = 0, 1, 2
"""Values of a truth file: not evaluated, tissue outside the mask, tissue inside the mask."""


@dataclass(frozen=True)
class Voxels:
    """Number of healthy and of abnormal voxels at each level of probability, (LEVELS,) each."""

    healthy: np.ndarray
    abnormal: np.ndarray

    @classmethod
    def of(cls, levels: np.ndarray, truth: np.ndarray) -> Voxels:
        """Count the voxels of a map, whose values are integers below LEVELS, by its truth."""
        counts = (np.bincount(levels[truth == value], minlength=LEVELS) for value in (HEALTHY, ABNORMAL))
        return cls(*counts)

    def __add__(self, other: Voxels) -> Voxels:
        return Voxels(self.healthy + other.healthy, self.abnormal + other.abnormal)

    @property
    def prevalence(self) -> float:
        """Share of abnormal voxels, which is the average precision of chance."""
        return float(self.abnormal.sum() / (self.abnormal.sum() + self.healthy.sum()))

    def auroc(self) -> float:
        """Return the area under the ROC curve, ties counted half."""
        below = np.cumsum(self.healthy) - self.healthy / 2
        return float(self.abnormal @ below / (self.abnormal.sum() * self.healthy.sum()))

    def average_precision(self) -> float:
        """Return the mean precision over the abnormal voxels, as scikit-learn's `average_precision_score`."""
        tp, called = self._called()
        occupied = self.abnormal[::-1] > 0
        recall_steps = self.abnormal[::-1][occupied] / self.abnormal.sum()
        return float(recall_steps @ (tp[occupied] / called[occupied]))

    def dice(self) -> np.ndarray:
        """Return the Dice coefficient (LEVELS,) of the voxels at each level or above."""
        tp, called = self._called()
        return np.asarray((2 * tp / (called + self.abnormal.sum()))[::-1])

    def _called(self) -> tuple[np.ndarray, np.ndarray]:
        """Return abnormal and all voxels at each level or above, from the highest level down."""
        tp = np.cumsum(self.abnormal[::-1])
        return tp, tp + np.cumsum(self.healthy[::-1])
