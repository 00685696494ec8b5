"""From the files of one scan to its array, affine, mask and flags."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from medcl.archive.arrays import compact, finite, gray_if_equal
from medcl.archive.dicom.header.model import DicomHeader, Frame
from medcl.archive.dicom.pixels.frames import (
    Opener,
    PixelFile,
    measure,
    modality_table,
    rescaled,
    stored_values,
)
from medcl.archive.dicom.pixels.lut import LookupTable
from medcl.archive.dicom.pixels.palette import as_bytes, from_palette
from medcl.archive.dicom.pixels.square import to_shape
from medcl.archive.dicom.pixels.voi import apply_voi
from medcl.archive.dicom.series.duplicates import PixelSums
from medcl.archive.dicom.series.projection import image_shape, is_inverted
from medcl.archive.dicom.series.slices import Slice
from medcl.archive.dicom.series.stacks import Stack, group
from medcl.archive.dicom.series.volume import moments, volume
from medcl.archive.dicom.tags import PIXEL_DATA
from medcl.archive.flags import quarantined
from medcl.archive.scan import Scan


def assemble(openers: Sequence[Opener], row: Mapping[str, Any] | None = None) -> Scan:
    """Read the files of one scan again and build it.

    Args:
        openers: open the scan's files, in any order; each is opened twice, one at a time.
        row: Row of the catalog; its `part` (JSON with the stack's `key`) says which scan is meant where
            the files hold several.

    Raises:
        Rejected: a file is cut off, broken or undecodable, or the files no longer make this scan.
    """
    headers: list[tuple[int, DicomHeader]] = []
    for number, opener in enumerate(openers):
        with opener() as stream:
            headers.append((number, PixelFile.open(stream).header))
    sums = PixelSums(lambda number: openers[number]())
    stack = _wanted(group(headers, sums)[0], row)
    reader = _SliceReader(openers, stack)
    try:
        volume_or_image = _built(stack, reader)
    finally:
        reader.close()
    return replace(volume_or_image, flags=tuple(sorted({*volume_or_image.flags, *reader.flags})))


def _built(stack: Stack, reader: _SliceReader) -> Scan:
    if stack.kind == "volume":
        return volume(stack, reader.measured)
    return _flat(stack, reader) if "NO_GEOM" in stack.flags else moments(stack, reader.measured)


def _wanted(stacks: Sequence[Stack], row: Mapping[str, Any] | None) -> Stack:
    part = (row or {}).get("part")
    key = json.loads(part).get("key") if part else None
    named = [stack for stack in stacks if stack.stack_key == key]
    candidates = named or stacks
    if len(candidates) != 1:
        raise quarantined("MISMATCH")
    return candidates[0]


class _SliceReader:
    """Reads slices one by one, keeping open the file that was read last."""

    def __init__(self, openers: Sequence[Opener], stack: Stack) -> None:
        self.openers = openers
        self.stack = stack
        self.flags: set[str] = set()
        self._open: tuple[int, PixelFile, LookupTable | None] | None = None
        self._pivot: float | None = None

    def close(self) -> None:
        if self._open is not None:
            self.flags |= self._open[1].flags
            self._open[1].close()
            self._open = None

    def file(self, number: int) -> tuple[PixelFile, LookupTable | None]:
        if self._open is None or self._open[0] != number:
            self.close()
            file = PixelFile.open(self.openers[number]())
            table = modality_table(file) if file.header.modality_lut else None
            self._open = number, file, table
        return self._open[1], self._open[2]

    def measured(self, number: int) -> Any:
        """Return the n-th slice after the modality transform; PET in the best unit that its tags allow."""
        image = self.stack.slices[number]
        file, table = self.file(image.file)
        frame = image.frame
        unit, factor = image.header.activity
        if self.stack.unit == unit and factor != 1.0:
            slope, intercept = frame.slope or 1.0, frame.intercept or 0.0
            frame = replace(frame, slope=slope * factor, intercept=intercept * factor)
        if "PRECISE_SCALE" in self.stack.flags:
            frame = _precise(frame, image.header.shared.scale_slope or 1.0)
        measured = measure(file, frame, table)
        if not is_inverted(image.header):
            return measured
        if self._pivot is None:
            self._pivot = inversion_pivot(table or (lambda values: rescaled(values, frame)), image.header)
        return replace(measured, values=inverted(measured.values, self._pivot))


def _precise(frame: Frame, scale: float) -> Frame:
    """Return a frame with the scale of Philips' precise values, (stored x RS + RI) / (RS x SS)."""
    return replace(
        frame, slope=1.0 / scale, intercept=(frame.intercept or 0.0) / ((frame.slope or 1.0) * scale)
    )


def _flat(stack: Stack, reader: _SliceReader) -> Scan:
    """Return an image, or the images of a cine one after the other."""
    shown = [_read_image(image, reader) for image in stack.slices]
    array = np.stack([image for image, *_ in shown]) if stack.kind == "cine" else shown[0][0]
    masks = [mask for _, mask, _ in shown]
    valid = None
    if any(mask is not None for mask in masks):
        whole = array.shape[1:3] if stack.kind == "cine" else array.shape[:2]
        every = [np.ones(whole, bool) if mask is None else ~mask for mask in masks]
        valid = np.stack(every) if stack.kind == "cine" else every[0]
        reader.flags.add("PAD_MASKED")
    color = len(stack.shape) > (3 if stack.kind == "cine" else 2)
    array, numbers, missing = finite(array)
    if numbers is not None:
        reader.flags |= missing
        valid = numbers if valid is None else valid & numbers
    return Scan(
        array=gray_if_equal(array) if color else compact(array),
        affine=None,
        spacing_mm=stack.spacing_mm,
        unit=stack.unit,
        modality=stack.modality,
        valid=valid,
        flags=stack.flags,
        unwindowed=shown[0][2] if stack.kind == "image" else None,
    )


def _read_image(
    image: Slice, reader: _SliceReader
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Return one image, bright where it should be, the mask of its padding, and what a window hid."""
    file, table = reader.file(image.file)
    header, shared = image.header, image.header.shared
    if shared.samples > 1:
        samples, _ = stored_values(file.frame(image.frame.index)[..., :3], replace(shared, signed=False))
        return _finished(as_bytes(samples, shared.bits_stored), image), None, None
    measured = measure(file, replace(image.frame, slope=None, intercept=None), None)
    if shared.photometric == "PALETTE COLOR":
        colors = from_palette(measured.values, file.elements, shared.signed)
        return _finished(colors, image), None, None
    transform: Callable[[np.ndarray], np.ndarray] = table or (lambda values: rescaled(values, image.frame))
    values = transform(measured.values)
    plain, shown = values, apply_voi(values, file.elements, shared)
    if is_inverted(header):
        plain = inverted(values, inversion_pivot(transform, header))
        shown = None if shown is None else (1 << min(shared.bits_stored, 16)) - 1 - shown.astype(np.int32)
    if shown is not None:
        reader.flags.add("VOI_APPLIED")
    values = plain if shown is None else shown
    mask = measured.padding
    if mask is not None and not mask.all():
        values = np.where(mask, values[~mask].min(), values)
    return (
        _finished(values, image),
        None if mask is None else _finished(mask, image),
        None if shown is None else compact(_finished(plain, image)),
    )


def inversion_pivot(transform: Callable[[np.ndarray], np.ndarray], header: DicomHeader) -> float:
    """Return the sum of the lowest and the highest value that pixels can have; floats have no such range."""
    shared = header.shared
    if not shared.bits_stored or header.pixel_tag != PIXEL_DATA:
        return 0.0
    half = 1 << (shared.bits_stored - 1)
    ends = np.array([-half, half - 1] if shared.signed else [0, 2 * half - 1], dtype=np.int64)
    return float(transform(ends).sum())


def inverted(values: np.ndarray, pivot: float) -> np.ndarray:
    """Turn bright into dark; the slices of a volume share one pivot, so that they stay comparable."""
    if values.dtype.kind == "f" or not pivot.is_integer():
        return np.asarray(pivot - values, np.float32)
    return np.asarray(int(pivot) - values.astype(np.int64))


def _finished(array: np.ndarray, image: Slice) -> np.ndarray:
    """Return the part of a frame that is the image, in square pixels."""
    region = image.frame.region
    if region is not None:
        array = array[region.top : region.bottom, region.left : region.right]
    return to_shape(array, image_shape(image.header, region))
