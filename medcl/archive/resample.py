"""Resampling of sheared volumes (tilted gantry) to orthogonal axes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from medcl.archive.geometry import is_sheared, spacing
from medcl.archive.scan import Scan
from medcl.intensity import PADDING_HU


def orthogonal(scan: Scan) -> Scan:
    """Resample a scan to orthogonal axes; a scan that has them already is returned unchanged.

    Each slice keeps its position and is shifted within its plane by linear interpolation, on a field large
    enough for all slices. Voxels that no slice covers get air (HU) or the lowest value, and are not `valid`.
    """
    if scan.affine is None or not is_sheared(scan.affine):
        return scan
    spatial = scan.array.shape[:3]
    field = _Field.from_affine(scan.affine, spatial)
    fill = float(PADDING_HU) if scan.unit == "HU" else float(scan.array.min())
    known = np.ones(spatial, bool) if scan.valid is None else scan.valid
    return replace(
        scan,
        array=field.resample(scan.array, fill, _shift_linear),
        affine=field.affine,
        spacing_mm=spacing(field.affine),
        valid=field.resample(known.astype(np.float32), 0.0, _shift_linear) > 1 - 1e-3,
    )


def orthogonal_labels(labels: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Resample the labels of a scan as `orthogonal` resamples the scan, by nearest neighbor.

    Args:
        labels: Labels (i, j, k) on the grid of the scan.
        affine: Affine of the scan.
    """
    if not is_sheared(affine):
        return labels
    return _Field.from_affine(affine, labels.shape).resample(labels, 0, _shift_nearest)


@dataclass(frozen=True)
class _Field:
    """Orthogonal grid that holds the shifted slices of a sheared volume.

    Attributes:
        axes: Axes of the volume, those in the plane of the slices first.
        shifts: Pixels by which each slice is shifted in its plane, (slice, 2).
        margin: Pixels by which the field exceeds a slice, along its two axes.
        affine: Affine of the field, in the axis order of the volume.
    """

    axes: tuple[int, int, int]
    shifts: np.ndarray
    margin: np.ndarray
    affine: np.ndarray

    @classmethod
    def from_affine(cls, affine: np.ndarray, shape: tuple[int, ...]) -> _Field:
        axes = _slice_last(affine)
        linear = affine[:3, list(axes)]
        plane = linear[:, :2]
        normal = np.cross(plane[:, 0], plane[:, 1])
        normal /= np.linalg.norm(normal)
        orthogonal_step = normal * (linear[:, 2] @ normal)
        drift = np.linalg.lstsq(plane, linear[:, 2] - orthogonal_step, rcond=None)[0]
        shifts = np.arange(shape[axes[2]])[:, None] * drift
        first = np.floor(shifts.min(axis=0)).astype(int)
        margin = np.ceil(shifts.max(axis=0)).astype(int) - first
        field_affine = affine.copy()
        field_affine[:3, axes[2]] = orthogonal_step
        field_affine[:3, 3] += plane @ first
        return cls(axes, shifts - first, margin, field_affine)

    def resample(self, volume: np.ndarray, fill: float, shift: Shift) -> np.ndarray:
        """Return a volume on the field, each slice shifted by its number of pixels."""
        color = tuple(range(3, volume.ndim))
        array = volume.transpose(*self.axes, *color)
        rows, columns = array.shape[:2]
        out = np.full((rows + self.margin[0], columns + self.margin[1], *array.shape[2:]), fill, array.dtype)
        for number, pixels in enumerate(self.shifts):
            out[:rows, :columns, number] = array[:, :, number]
            out[:, :, number] = shift(out[:, :, number], pixels, fill)
        return np.ascontiguousarray(out.transpose(*np.argsort(self.axes), *color))


Shift = Callable[[np.ndarray, np.ndarray, float], np.ndarray]


def _shift_linear(image: np.ndarray, pixels: np.ndarray, fill: float) -> np.ndarray:
    unshifted = [0.0] * (image.ndim - 2)  # along color
    shifted = ndimage.shift(
        image.astype(np.float32), [*pixels, *unshifted], order=1, mode="constant", cval=fill
    )
    return np.asarray(np.rint(shifted) if image.dtype.kind in "iu" else shifted)


def _shift_nearest(image: np.ndarray, pixels: np.ndarray, fill: float) -> np.ndarray:
    return np.roll(image, np.rint(pixels).astype(int), axis=(0, 1))


def _slice_last(affine: np.ndarray) -> tuple[int, int, int]:
    """Return the axes with the two that are closest to a right angle first."""
    columns = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    pairs = [(0, 1, 2), (0, 2, 1), (1, 2, 0)]
    return min(pairs, key=lambda axes: abs(float(columns[:, axes[0]] @ columns[:, axes[1]])))
