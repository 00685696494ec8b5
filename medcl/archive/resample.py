"""Sheared volumes on a right-angled grid, for what cannot work on oblique axes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from medcl.archive.geometry import is_sheared, spacing
from medcl.archive.scan import Scan
from medcl.intensity import PADDING_HU


def orthogonal(scan: Scan) -> Scan:
    """Return the scan on axes at right angles; one that has them already comes back as it is.

    Slices stay where they are: each moves within its own plane, by linear interpolation, onto a field that
    is large enough for all of them. What no slice covers is air (HU) or the lowest value, and not `valid`.
    """
    if scan.affine is None or not is_sheared(scan.affine):
        return scan
    spatial = scan.array.shape[:3]
    field = _Field.of(scan.affine, spatial)
    fill = float(PADDING_HU) if scan.unit == "HU" else float(scan.array.min())
    known = np.ones(spatial, bool) if scan.valid is None else scan.valid
    return replace(
        scan,
        array=field.moved(scan.array, fill, _between),
        affine=field.affine,
        spacing_mm=spacing(field.affine),
        valid=field.moved(known.astype(np.float32), 0.0, _between) > 1 - 1e-3,
    )


def orthogonal_labels(labels: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Return the labels of a scan where `orthogonal` puts the scan; each voxel takes its nearest label.

    Args:
        labels: (i, j, k) on the scan's own grid.
        affine: of that grid.
    """
    if not is_sheared(affine):
        return labels
    return _Field.of(affine, labels.shape).moved(labels, 0, _nearest)


@dataclass(frozen=True)
class _Field:
    """Where the slices of a sheared volume go.

    Attributes:
        axes: of the volume, those in the plane of its slices first.
        shifts: (slice, 2) pixels by which each slice moves in its plane.
        room: pixels by which the field is larger than a slice, along its two axes.
        affine: of the field, in the volume's own order of axes.
    """

    axes: tuple[int, int, int]
    shifts: np.ndarray
    room: np.ndarray
    affine: np.ndarray

    @classmethod
    def of(cls, affine: np.ndarray, shape: tuple[int, ...]) -> _Field:
        axes = _slice_last(affine)
        linear = affine[:3, list(axes)]
        plane = linear[:, :2]
        away = np.cross(plane[:, 0], plane[:, 1])
        away /= np.linalg.norm(away)
        upright = away * (linear[:, 2] @ away)
        drift = np.linalg.lstsq(plane, linear[:, 2] - upright, rcond=None)[0]
        shifts = np.arange(shape[axes[2]])[:, None] * drift
        first = np.floor(shifts.min(axis=0)).astype(int)
        room = np.ceil(shifts.max(axis=0)).astype(int) - first
        turned = affine.copy()
        turned[:3, axes[2]] = upright
        turned[:3, 3] += plane @ first
        return cls(axes, shifts - first, room, turned)

    def moved(self, volume: np.ndarray, fill: float, shift: Shift) -> np.ndarray:
        """Return a volume with each slice shifted by its own fraction of pixels on the larger field."""
        color = tuple(range(3, volume.ndim))
        array = volume.transpose(*self.axes, *color)
        rows, columns = array.shape[:2]
        out = np.full((rows + self.room[0], columns + self.room[1], *array.shape[2:]), fill, array.dtype)
        for number, pixels in enumerate(self.shifts):
            out[:rows, :columns, number] = array[:, :, number]
            out[:, :, number] = shift(out[:, :, number], pixels, fill)
        return np.ascontiguousarray(out.transpose(*np.argsort(self.axes), *color))


Shift = Callable[[np.ndarray, np.ndarray, float], np.ndarray]


def _between(picture: np.ndarray, pixels: np.ndarray, fill: float) -> np.ndarray:
    still = [0.0] * (picture.ndim - 2)  # along color
    moved = ndimage.shift(picture.astype(np.float32), [*pixels, *still], order=1, mode="constant", cval=fill)
    return np.asarray(np.rint(moved) if picture.dtype.kind in "iu" else moved)


def _nearest(picture: np.ndarray, pixels: np.ndarray, fill: float) -> np.ndarray:
    return np.roll(picture, np.rint(pixels).astype(int), axis=(0, 1))


def _slice_last(affine: np.ndarray) -> tuple[int, int, int]:
    """Return the axes with the two that are closest to a right angle first."""
    columns = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    pairs = [(0, 1, 2), (0, 2, 1), (1, 2, 0)]
    return min(pairs, key=lambda axes: abs(float(columns[:, axes[0]] @ columns[:, axes[1]])))
