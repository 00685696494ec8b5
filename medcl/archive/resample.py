"""A sheared volume onto an orthogonal grid, for what cannot work on oblique axes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage

from medcl.archive.geometry import is_sheared, spacing
from medcl.archive.types import Scan

AIR_HU = -1024.0


def orthogonal(scan: Scan) -> Scan:
    """Return the scan on axes at right angles; one that has them already comes back as it is.

    Slices stay where they are: each moves within its own plane, by linear interpolation, onto a field that
    is large enough for all of them. What no slice covers is air (HU) or the lowest value, and not `valid`.
    """
    if scan.affine is None or not is_sheared(scan.affine):
        return scan
    axes = _slice_last(scan.affine)
    linear = scan.affine[:3, list(axes)]
    plane = linear[:, :2]
    away = np.cross(plane[:, 0], plane[:, 1])
    away /= np.linalg.norm(away)
    upright = away * (linear[:, 2] @ away)
    drift = np.linalg.lstsq(plane, linear[:, 2] - upright, rcond=None)[0]
    array = scan.array.transpose(axes)
    shifts = np.arange(array.shape[2])[:, None] * drift
    first = np.floor(shifts.min(axis=0)).astype(int)
    room = np.ceil(shifts.max(axis=0)).astype(int) - first
    fill = AIR_HU if scan.unit == "HU" else float(array.min())
    moved = _moved(array, shifts - first, room, fill)
    known = np.ones(array.shape, bool) if scan.valid is None else scan.valid.transpose(axes)
    valid = _moved(known.astype(np.float32), shifts - first, room, 0.0) > 1 - 1e-3
    affine = scan.affine.copy()
    affine[:3, axes[2]] = upright
    affine[:3, 3] += plane @ first
    back = np.argsort(axes)
    return replace(
        scan,
        array=np.ascontiguousarray(moved.transpose(back)),
        affine=affine,
        spacing_mm=spacing(affine),
        valid=np.ascontiguousarray(valid.transpose(back)),
    )


def _slice_last(affine: np.ndarray) -> tuple[int, int, int]:
    """Return the axes with the two that are closest to a right angle first."""
    columns = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    pairs = [(0, 1, 2), (0, 2, 1), (1, 2, 0)]
    return min(pairs, key=lambda axes: abs(float(columns[:, axes[0]] @ columns[:, axes[1]])))


def _moved(array: np.ndarray, shifts: np.ndarray, room: np.ndarray, fill: float) -> np.ndarray:
    """Shift each slice (last axis) by its own fraction of pixels on a field that is larger by `room`."""
    out = np.full((array.shape[0] + room[0], array.shape[1] + room[1], array.shape[2]), fill, array.dtype)
    for number, shift in enumerate(shifts):
        padded = np.full(out.shape[:2], fill, np.float32)
        padded[: array.shape[0], : array.shape[1]] = array[..., number]
        moved = ndimage.shift(padded, shift, order=1, mode="constant", cval=fill)
        out[..., number] = np.rint(moved) if array.dtype.kind in "iu" else moved
    return out
