"""Which part of a scan was measured; the rest is padding, filled gaps, or what no slice covers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medcl.store.slices import DISPLAYED_AXES


@dataclass(frozen=True)
class Extent:
    """The measured part of one scan, in samples.

    Attributes:
        box: (3, 2) first and one past the last measured sample along each axis.
        nearest: (S,) for each slice of a volume, the nearest one with anything measured; empty for an image.
        ends: (S, 2, 2) ends of the measured box of the nearest slice, along its displayed axes (in their
            displayed direction, which runs against the source axis).
    """

    box: np.ndarray
    nearest: np.ndarray
    ends: np.ndarray

    @classmethod
    def of(cls, valid: np.ndarray, slice_axis: int) -> Extent | None:
        """Return the measured part of a scan; None where nothing or all of it was measured.

        Args:
            valid: Boolean, in the axes of the array.
            slice_axis: Axis of the slices; -1 for an image.
        """
        if valid.all() or not valid.any():
            return None
        box = np.array([*[_ends(valid[None], 1 + axis)[0] for axis in range(valid.ndim)], [0, 1]])[:3]
        if slice_axis < 0:
            return cls(box, np.zeros(0, int), np.zeros((0, 2, 2), int))
        slices = np.flip(valid.transpose(slice_axis, *DISPLAYED_AXES[slice_axis]), (1, 2))
        measured = np.flatnonzero(slices.any(axis=(1, 2)))
        nearest = measured[np.abs(np.arange(len(slices))[:, None] - measured).argmin(axis=1)]
        ends = np.stack([_ends(slices, 1), _ends(slices, 2)], axis=1)
        return cls(box, nearest, ends[nearest])

    def flat(self) -> np.ndarray:
        """Return the extent as one row of numbers, which `from_flat` reads."""
        return np.concatenate([self.box.ravel(), self.nearest, self.ends.ravel()])

    @classmethod
    def from_flat(cls, flat: Sequence[int] | np.ndarray) -> Extent:
        """Return the extent that `flat` returned."""
        numbers = np.asarray(flat, np.int64)
        count = (len(numbers) - 6) // 5
        return cls(
            numbers[:6].reshape(3, 2), numbers[6 : 6 + count], numbers[6 + count :].reshape(count, 2, 2)
        )


def _ends(slices: np.ndarray, axis: int) -> np.ndarray:
    """Return (S, 2) first and one past the last sample along `axis` at which anything was measured."""
    lines: np.ndarray = np.asarray(slices.any(axis=tuple(n for n in range(1, slices.ndim) if n != axis)))
    return np.stack([lines.argmax(axis=1), lines.shape[1] - lines[:, ::-1].argmax(axis=1)], axis=1)
