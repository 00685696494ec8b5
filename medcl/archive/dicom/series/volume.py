"""Slices into a volume: one array in canonical axis order, padding masked, missing slices interpolated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from medcl.archive.arrays import finite
from medcl.archive.dicom.pixels.frames import MeasuredFrame
from medcl.archive.dicom.series.slice_grid import Grid
from medcl.archive.dicom.series.split import is_calibrated
from medcl.archive.dicom.series.stacks import Stack
from medcl.archive.flags import quarantined
from medcl.archive.geometry import canonical_affine, canonical_axes, spacing
from medcl.archive.hounsfield import is_hounsfield
from medcl.archive.limits import MAX_SCAN_BYTES
from medcl.archive.scan import Scan
from medcl.intensity import PADDING_HU

CORNER_SHARE = 0.005


class VolumeBuffer:
    """An array (slice, row, column) that slices are written into, in the final directions of its axes.

    Integers start as int16 and widen only when a value does not fit, so the type depends on the values
    alone: int16 if all fit, else uint16, else int32; anything else is float32.
    """

    def __init__(self, count: int, rows: int, columns: int, flips: tuple[bool, bool]) -> None:
        if count * rows * columns * 2 > MAX_SCAN_BYTES:
            raise quarantined("TOO_LARGE")
        self.shape = (count, rows, columns)
        self.flips = (slice(None, None, -1 if flips[1] else 1), slice(None, None, -1 if flips[0] else 1))
        self.array: np.ndarray | None = None
        self.padding: np.ndarray | None = None

    def write(self, number: int, measured: MeasuredFrame) -> None:
        """Put a slice in its place."""
        values = measured.values
        if values.shape != self.shape[1:]:
            raise quarantined("MISMATCH")
        if self.array is None:
            self.array = np.empty(self.shape, np.int16)
        self._widen(values, number)
        self.array[number] = values[self.flips]
        if measured.padding is not None:
            if self.padding is None:
                self.padding = np.zeros(self.shape, bool)
            self.padding[number] = measured.padding[self.flips]

    def _widen(self, values: np.ndarray, number: int) -> None:
        assert self.array is not None
        if self.array.dtype == np.float32:
            return
        wanted: np.dtype[Any] = np.dtype(np.float32)
        if values.dtype.kind != "f":
            low, high = int(values.min()), int(values.max())
            limits = np.iinfo(self.array.dtype)
            if limits.min <= low and high <= limits.max:
                return
            wanted = np.dtype(np.int32 if low >= -(1 << 31) and high < 1 << 31 else np.float32)
        wide = np.empty(self.shape, wanted)
        wide[:number] = self.array[:number]
        self.array = wide

    def finished(self) -> np.ndarray:
        """Return the array in its final type."""
        assert self.array is not None
        if self.array.dtype == np.int32 and self.array.min() >= 0 and self.array.max() < 1 << 16:
            return self.array.astype(np.uint16)
        return self.array


def volume(stack: Stack, read: Callable[[int], MeasuredFrame]) -> Scan:
    """Build the scan of a volume.

    Args:
        stack: as grouped from the files that are read.
        read: gives the measured values of the stack's n-th slice.
    """
    assert stack.grid is not None
    where = stack.grid
    rows, columns = stack.slices[0].header.matrix
    order, flips = canonical_axes(where.affine)
    turned = [flips[order.index(axis)] for axis in range(3)]
    canvas = VolumeBuffer(len(stack.slices), rows, columns, (turned[0], turned[1]))
    for number in range(len(stack.slices)):
        canvas.write(number, read(number))
    array, valid, unit, flags = _cleaned(canvas, stack)
    if not where.is_even:
        array, valid = interpolated(array, valid, where)
    affine = canonical_affine(where.affine, (columns, rows, where.count))[0]
    if turned[2]:
        array = array[::-1]
        valid = None if valid is None else valid[::-1]
    axes = tuple(2 - axis for axis in order)
    return Scan(
        array=_positive(array).transpose(axes),
        affine=affine,
        spacing_mm=spacing(affine),
        unit=unit,
        modality=stack.modality,
        valid=None if valid is None else _positive(valid).transpose(axes),
        flags=tuple(sorted(flags)),
    )


def moments(stack: Stack, read: Callable[[int], MeasuredFrame]) -> Scan:
    """Build the scan of a cine of one slice, (frame, row, column); arguments as those of `volume`."""
    rows, columns = stack.slices[0].header.matrix
    canvas = VolumeBuffer(len(stack.slices), rows, columns, (False, False))
    for number in range(len(stack.slices)):
        canvas.write(number, read(number))
    array, valid, unit, flags = _cleaned(canvas, stack)
    return Scan(
        array=array,
        affine=None,
        spacing_mm=stack.spacing_mm,
        unit=unit,
        modality=stack.modality,
        valid=valid,
        flags=tuple(sorted(flags)),
    )


def _cleaned(canvas: VolumeBuffer, stack: Stack) -> tuple[np.ndarray, np.ndarray | None, str, set[str]]:
    """Return the array with padding and what is no number filled, the mask of the others, unit and flags."""
    array = canvas.finished()
    unit, flags = stack.unit, set(stack.flags)
    is_bare = "UNCALIBRATED" in flags and not is_calibrated(stack.slices[0])
    if is_bare and is_hounsfield(array, canvas.padding):
        flags.add("HU_LIKELY")
    if unit == "HU" and not is_hounsfield(array, canvas.padding, stated=True):
        unit = "a.u."
        flags.add("UNCALIBRATED")
    padding = _mask(array, canvas.padding, unit)
    if padding is not None:
        flags.add("PAD_MASKED")
        array[padding] = PADDING_HU if unit == "HU" else _lowest(array, padding)
    valid = None if padding is None else ~padding
    array, numbers, missing = finite(array)
    if numbers is not None:
        flags |= missing
        valid = numbers if valid is None else valid & numbers
    return array, valid, unit, flags


def _positive(array: np.ndarray) -> np.ndarray:
    """Return the array without negative strides, which torch does not take."""
    return array if min(array.strides) > 0 else np.ascontiguousarray(array)


def _lowest(array: np.ndarray, padding: np.ndarray) -> float:
    measured = array[~padding]
    return float(measured.min()) if measured.size else 0.0


def _mask(array: np.ndarray, padding: np.ndarray | None, unit: str) -> np.ndarray | None:
    """Add to a CT's padding what lies outside its reconstruction without a tag that says so.

    A value below air that fills all four corners of a slice is no measurement.
    """
    if unit != "HU":
        return padding
    corners = array[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    for number in np.flatnonzero((corners == corners[:, :1]).all(axis=1) & (corners[:, 0] < PADDING_HU)):
        at_corner_value = array[number] == corners[number, 0]
        if at_corner_value.mean() >= CORNER_SHARE:
            if padding is None:
                padding = np.zeros(array.shape, bool)
            padding[number] |= at_corner_value
    return padding


def interpolated(
    array: np.ndarray, valid: np.ndarray | None, where: Grid
) -> tuple[np.ndarray, np.ndarray | None]:
    """Interpolate slices (first axis) linearly onto an even grid.

    Slices of a gap are marked as not measured; uneven slices resampled onto a finer grid are measurements.
    """
    if where.count * array[0].size * array.dtype.itemsize > MAX_SCAN_BYTES:
        raise quarantined("TOO_LARGE")
    out = np.empty((where.count, *array.shape[1:]), array.dtype)
    measured = np.ones(out.shape, bool)
    targets = np.arange(where.count, dtype=np.float64)
    below = np.clip(np.searchsorted(where.places, targets + 1e-6, side="right") - 1, 0, len(array) - 1)
    for number, first in enumerate(below):
        second = min(first + 1, len(array) - 1)
        width = where.places[second] - where.places[first]
        share = float((targets[number] - where.places[first]) / width) if width > 0 else 0.0
        if share < 1e-6:
            out[number] = array[first]
            measured[number] = True if valid is None else valid[first]
            continue
        mixed = array[first] * np.float32(1 - share) + array[second] * np.float32(share)
        out[number] = mixed if array.dtype.kind == "f" else np.rint(mixed)
        if "GAP" in where.flags:
            measured[number] = False
        elif valid is not None:
            measured[number] = valid[first] & valid[second]
    return out, None if measured.all() else measured
