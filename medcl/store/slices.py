"""Along which axis the slices of a volume are counted, and how a slice is displayed."""

from __future__ import annotations

import numpy as np

DISPLAYED_AXES = {0: (2, 1), 1: (2, 0), 2: (1, 0)}
"""Slice axis to (row, column) source axes; both run against the source axis."""


def coarsest_axis(along: np.ndarray) -> int:
    """Return the axis of coarsest spacing, along which slices are counted.

    Of equally coarse ones it is the last, which makes slices axial.

    Args:
        along: (3,) spacing along each axis.
    """
    return int(np.flatnonzero(along >= along.max() * 0.99)[-1])


def slice_axis(affine: np.ndarray | None) -> int:
    """Return the axis that slices of a volume with this (4, 4) affine are counted along; -1 for an image."""
    return -1 if affine is None else coarsest_axis(np.linalg.norm(affine[:3, :3], axis=0))


def slices_first(array: np.ndarray, axis: int) -> np.ndarray:
    """Return a view of an array as it is stored: slices along the first axis, an image as one slice."""
    return array[None] if axis < 0 else np.moveaxis(array, axis, 0)


def slices_back(stored: np.ndarray, axis: int) -> np.ndarray:
    """Return a view of a stored array with its axes in the order of the scan."""
    return stored[0] if axis < 0 else np.moveaxis(stored, 0, axis)
