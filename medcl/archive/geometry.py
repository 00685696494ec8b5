"""Axis order and spacing from an affine, exact and without resampling."""

from __future__ import annotations

from itertools import permutations

import numpy as np

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
RIGHT_ANGLE_TOLERANCE = 1e-3
GRID_TOLERANCE = 0.05
"""Largest distance in voxels between the corners of two grids that count as the same."""


def spacing(affine: np.ndarray) -> tuple[float, ...]:
    """Return the voxel spacing in millimeters along each array axis, the column lengths of the affine."""
    return tuple(float(x) for x in np.linalg.norm(affine[:3, :3], axis=0))


def canonical_axes(affine: np.ndarray) -> tuple[tuple[int, int, int], tuple[bool, bool, bool]]:
    """Return the axis order and flips that bring array axes closest to right, anterior, superior.

    Ties keep the present order, so that a second call changes nothing.
    """
    columns = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    order = max(permutations(range(3)), key=lambda p: round(sum(abs(columns[k, p[k]]) for k in range(3)), 9))
    flips = tuple(bool(columns[k, order[k]] < 0) for k in range(3))
    return (order[0], order[1], order[2]), (flips[0], flips[1], flips[2])


def canonical_affine(affine: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, tuple[int, ...]]:
    """Return the affine and shape of an array of `shape` after `to_canonical`."""
    order, flips = canonical_axes(affine)
    canonical = affine[:, [*order, 3]].astype(np.float64)
    new_shape = tuple(shape[axis] for axis in order)
    for axis, flip in enumerate(flips):
        if flip:
            canonical[:, 3] += canonical[:, axis] * (new_shape[axis] - 1)
            canonical[:, axis] *= -1
    return canonical, new_shape


def to_canonical(array: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Permute and flip the first three axes of `array` to be closest to RAS+, without changing values.

    Args:
        array: Volume (i, j, k) or (i, j, k, channel).
        affine: Voxel index to RAS+ millimeters, (4, 4).

    Returns:
        The array and its new affine.
    """
    order, flips = canonical_axes(affine)
    permuted = array.transpose(*order, *range(3, array.ndim))
    index = tuple(slice(None, None, -1 if flip else 1) for flip in flips)
    return np.ascontiguousarray(permuted[index]), canonical_affine(affine, array.shape[:3])[0]


def is_sheared(affine: np.ndarray) -> bool:
    """Return whether two array axes are not at right angles (tolerance: cosine 0.001, 0.06 degrees)."""
    columns = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    cosines = columns.T @ columns - np.eye(3)
    return bool(np.abs(cosines).max() > RIGHT_ANGLE_TOLERANCE)
