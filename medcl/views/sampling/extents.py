"""Which part of a scan was measured; the rest is padding, filled gaps, or what no slice covers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Extent:
    """The measured part of one scan, in the displayed frame of `medcl.views.sampling.scan_geometry`.

    Attributes:
        nearest: (S,) the nearest slice with anything measured; S is 1 for scans without slices.
        ends: (S, D, 2) millimeters at which the measured box of a slice begins and ends.
    """

    nearest: np.ndarray
    ends: np.ndarray

    @classmethod
    def of(
        cls, valid: np.ndarray, slice_axis: int, axes: np.ndarray, sign: np.ndarray, edge: np.ndarray
    ) -> Extent | None:
        """Return the measured part of a scan with mask `valid`; None where nothing was left out.

        Args:
            valid: boolean, in the axes of the array.
            slice_axis: source axis of the slices, -1 without.
            axes: (D,) Source axis of each displayed axis.
            sign: (D,) -1 where the displayed axis runs against the source axis, else 1.
            edge: (D,) millimeters per sample.
        """
        if valid.all() or not valid.any():
            return None
        order = [slice_axis, *axes] if slice_axis >= 0 else list(axes)
        shown = valid.transpose(order)
        shown = shown if slice_axis >= 0 else shown[None]
        shown = np.flip(shown, tuple(1 + d for d in range(len(axes)) if sign[d] < 0))
        there = np.flatnonzero(shown.reshape(len(shown), -1).any(axis=1))
        nearest = there[np.abs(np.arange(len(shown))[:, None] - there).argmin(axis=1)]
        ends = [_ends(shown, 1 + d) * edge[d] for d in range(len(axes))]
        return cls(nearest, np.stack(ends, axis=1)[nearest])


def _ends(shown: np.ndarray, axis: int) -> np.ndarray:
    """Return (S, 2) first and one past the last sample along `axis` at which anything was measured."""
    lines: np.ndarray = np.asarray(shown.any(axis=tuple(n for n in range(1, shown.ndim) if n != axis)))
    return np.stack([lines.argmax(axis=1), lines.shape[1] - lines[:, ::-1].argmax(axis=1)], axis=1)


def nearest_slices(extents: Iterable[Extent | None], slices: np.ndarray) -> np.ndarray:
    """Return `slices` (n, V), each moved to the nearest one that was measured."""
    moved = slices.copy()
    for scan, extent in enumerate(extents):
        if extent is not None and len(extent.nearest) > 1:
            moved[scan] = extent.nearest[slices[scan]]
    return moved
