"""Axis order and spacing from an affine; exact, without resampling."""

from __future__ import annotations

from itertools import permutations

import numpy as np

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
RIGHT_ANGLE_TOLERANCE = 1e-3
GRID_TOLERANCE = 0.05
"""Voxels by which two grids may differ at their corners and still be the same."""


def spacing(affine: np.ndarray) -> tuple[float, ...]:
    """Return millimeters between neighbors along each array axis: the lengths of the affine's columns."""
    return tuple(float(x) for x in np.linalg.norm(affine[:3, :3], axis=0))


def canonical_axes(affine: np.ndarray) -> tuple[tuple[int, int, int], tuple[bool, bool, bool]]:
    """Return the order and the flips that bring array axes closest to right, anterior, superior.

    Ties go to the order that is already there, so that a second call changes nothing.
    """
    columns = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    order = max(permutations(range(3)), key=lambda p: round(sum(abs(columns[k, p[k]]) for k in range(3)), 9))
    flips = tuple(bool(columns[k, order[k]] < 0) for k in range(3))
    return (order[0], order[1], order[2]), (flips[0], flips[1], flips[2])


def canonical_affine(affine: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, tuple[int, ...]]:
    """Return the affine and the shape that `to_canonical` gives an array of `shape`."""
    order, flips = canonical_axes(affine)
    turned = affine[:, [*order, 3]].astype(np.float64)
    new_shape = tuple(shape[axis] for axis in order)
    for axis, flip in enumerate(flips):
        if flip:
            turned[:, 3] += turned[:, axis] * (new_shape[axis] - 1)
            turned[:, axis] *= -1
    return turned, new_shape


def to_canonical(array: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Permute and flip the first three axes of `array` to be closest to RAS+; no value changes.

    Args:
        array: (i, j, k) or (i, j, k, channel).
        affine: (4, 4), voxel index to RAS+ mm.
    """
    order, flips = canonical_axes(affine)
    turned = array.transpose(*order, *range(3, array.ndim))
    index = tuple(slice(None, None, -1 if flip else 1) for flip in flips)
    return np.ascontiguousarray(turned[index]), canonical_affine(affine, array.shape[:3])[0]


def is_sheared(affine: np.ndarray) -> bool:
    """True when two array axes are not at right angles (tolerance: cosine 0.001, 0.06 degrees)."""
    columns = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    cosines = columns.T @ columns - np.eye(3)
    return bool(np.abs(cosines).max() > RIGHT_ANGLE_TOLERANCE)
