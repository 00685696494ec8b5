"""Which part of a scan was measured, in millimeters of the displayed frame."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from medcl.store.extents import Extent


@dataclass(frozen=True)
class MeasuredPart:
    """The measured part of one scan, in the displayed frame of `medcl.views.sampling.scan_geometry`.

    Attributes:
        nearest: (S,) the nearest slice with anything measured; S is 1 for scans without slices.
        ends: (S, D, 2) millimeters at which the measured box of a slice begins and ends.
    """

    nearest: np.ndarray
    ends: np.ndarray

    @classmethod
    def of(cls, extent: Extent, has_slices: bool, edge: np.ndarray) -> MeasuredPart:
        """Return the measured part of a scan with this extent.

        Args:
            extent: What was measured, in samples.
            has_slices: Whether views show slices; else they show the whole box.
            edge: (D,) millimeters per sample.
        """
        if has_slices:
            return cls(extent.nearest, extent.ends * edge[:, None])
        return cls(np.zeros(1, int), (extent.box[: len(edge)] * edge[:, None])[None])


def nearest_slices(parts: Iterable[MeasuredPart | None], slices: np.ndarray) -> np.ndarray:
    """Return `slices` (n, V), each moved to the nearest one that was measured."""
    moved = slices.copy()
    for scan, part in enumerate(parts):
        if part is not None and len(part.nearest) > 1:
            moved[scan] = part.nearest[slices[scan]]
    return moved
