"""Masks and scans in space: whether a mask fits a scan, and its labels on the voxels of the scan.

A mask is a label map of voxels or pixels in a file of its own, a DICOM SEG or an RTSTRUCT. It belongs to a
scan only if its voxels are voxels of the scan; a mask on another grid is refused, never resampled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medcl.archive.flags import quarantined
from medcl.archive.geometry import GRID_TOLERANCE, to_canonical


@dataclass(frozen=True, slots=True)
class FileGrid:
    """Path (private) and grid of a scan or mask in a file of its own; an image has no affine."""

    scan: str
    path: str
    shape: tuple[int, ...]
    affine: tuple[float, ...]


def same_grid(mask: FileGrid, scan: FileGrid) -> bool:
    """Return whether a mask's voxels are voxels of a scan, or two images have the same rows and columns.

    The mask may cover a part of the scan only, as those that are cropped to their labels do.
    """
    if not mask.affine or not scan.affine:
        return mask.affine == scan.affine and mask.shape[:2] == scan.shape[:2]
    affine, target = (np.array([*grid.affine, 0, 0, 0, 1]).reshape(4, 4) for grid in (mask, scan))
    start = _start_on_grid(affine, mask.shape, target)
    if start is None:
        return False
    low, high = np.maximum(start, 0), np.minimum(start + mask.shape[:3], scan.shape[:3])
    return bool((low < high).all())


def _start_on_grid(affine: np.ndarray, shape: tuple[int, ...], target: np.ndarray) -> np.ndarray | None:
    """Return the voxel of another grid at which a grid starts, or None where their voxels differ.

    Args:
        affine: Affine of the grid, RAS+, in canonical axis order.
        shape: Shape of the grid.
        target: Affine of the other grid.
    """
    offset = np.linalg.inv(target) @ affine[:, 3]
    start = np.round(offset[:3]).astype(int)
    moved = target.copy()
    moved[:, 3] = target @ np.append(start, 1.0)
    return start if _corner_distance(moved, affine, shape) <= GRID_TOLERANCE else None


def _corner_distance(first: np.ndarray, second: np.ndarray, shape: tuple[int, ...]) -> float:
    """Return the largest distance in voxels between the corners of two grids of the same shape."""
    ends = [(0, size - 1) for size in shape[:3]]
    corners = np.array([[i, j, k, 1] for i in ends[0] for j in ends[1] for k in ends[2]], np.float64)
    distances = corners @ (np.linalg.inv(first) @ second).T - corners
    return float(np.abs(distances).max())


def onto_grid(
    labels: np.ndarray, affine: np.ndarray, shape: tuple[int, ...], target: np.ndarray
) -> tuple[np.ndarray, tuple[int, ...]]:
    """Place labels on the grid of a scan, with which their voxels must coincide up to axis order and flips.

    A label with voxels outside of the scan is left out; the others stay.

    Args:
        labels: Integer labels (i, j, k).
        affine: Affine of `labels`, RAS+.
        shape: Shape of the scan.
        target: Affine of the scan, RAS+.

    Returns:
        Labels with the spatial shape of the scan, 0 outside of the given ones, and the labels left out.

    Raises:
        Rejected: MASK_MISMATCH when the grids do not coincide, or no label fits.
    """
    canonical, affine = to_canonical(labels, affine)
    start = _start_on_grid(affine, canonical.shape, target)
    if start is None:
        raise quarantined("MASK_MISMATCH")
    placed = np.zeros(shape[:3], canonical.dtype)
    low = np.maximum(start, 0)
    high = np.maximum(np.minimum(start + canonical.shape, shape[:3]), low)
    inside = tuple(slice(a, b) for a, b in zip(low - start, high - start, strict=True))
    left_out = _labels_outside(canonical, inside)
    fitting = np.where(np.isin(canonical[inside], left_out), 0, canonical[inside])
    if len(left_out) and not fitting.any():
        raise quarantined("MASK_MISMATCH")
    placed[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = fitting
    return placed, tuple(int(label) for label in left_out)


def _labels_outside(labels: np.ndarray, inside: tuple[slice, ...]) -> np.ndarray:
    """Return the labels above 0 that have voxels outside of a box."""
    if np.count_nonzero(labels) == np.count_nonzero(labels[inside]):
        return np.zeros(0, labels.dtype)
    outside = labels.copy()
    outside[inside] = 0
    return np.unique(outside[outside > 0])
