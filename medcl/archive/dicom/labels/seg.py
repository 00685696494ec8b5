"""DICOM segmentations (PS3.3 A.51 and C.8.20): every frame is laid into the scan at its own place.

A frame belongs where its position and orientation put it, whether the scan's slices stand upright on each
other or are tilted; one that does not fall onto the scan's voxels is refused, never stretched to fit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from medcl.archive.dicom.header.elements import NATIVE, Elements
from medcl.archive.dicom.header.model import Frame
from medcl.archive.dicom.header.parser import read_elements
from medcl.archive.dicom.header.read import ELEMENTS, SEQUENCES, header_of
from medcl.archive.dicom.pixels.frames import PixelFile
from medcl.archive.dicom.tags import FRAME_GROUPS, MAXIMUM_FRACTION, SEGMENTATION_TYPE, SHARED_GROUPS
from medcl.archive.flags import Rejected, quarantined
from medcl.archive.geometry import GRID_TOLERANCE, LPS_TO_RAS

MAX_LABELS = 255


def segments(
    stream: BinaryIO, affine: np.ndarray, shape: tuple[int, ...]
) -> tuple[np.ndarray, tuple[int, ...]]:
    """Return the labels of a SEG on a scan's grid: segment numbers, 0 outside; higher numbers lie on top.

    Fractions count from one half on. A segment with a frame off the scan's voxels is left out.

    Args:
        stream: the file.
        affine: of the scan, RAS+.
        shape: of the scan.

    Returns:
        The labels, and the numbers of the segments that were left out.

    Raises:
        Rejected: MASK_MISMATCH when no segment fits; SEG or another reason when the object cannot be read, or
            holds over 255 segments.
    """
    size = stream.seek(0, 2)
    elements = read_elements(stream, size, ELEMENTS | {SEGMENTATION_TYPE, MAXIMUM_FRACTION}, SEQUENCES)
    if elements is None:
        raise quarantined("CHANGED")
    file = PixelFile(stream, elements, header_of(elements))
    numbers = _numbers(elements, len(file.header.frames))
    frames_of: dict[int, list[Frame]] = {}
    for number, frame in zip(numbers, file.header.frames, strict=True):
        frames_of.setdefault(number, []).append(frame)
    labels = np.zeros(shape[:3], np.uint8)
    to_voxels = np.linalg.inv(affine) @ LPS_TO_RAS
    left_out: list[int] = []
    for number, frames in sorted(frames_of.items()):
        segment = np.zeros_like(labels)
        try:
            for frame in frames:
                _lay(segment, _drawn(file, frame.index, number), frame, to_voxels)
        except Rejected as verdict:
            if verdict.code != "MASK_MISMATCH":
                raise
            left_out.append(number)
        else:
            np.copyto(labels, segment, where=segment > 0)
    if left_out and not labels.any():
        raise quarantined("MASK_MISMATCH")
    return labels, tuple(left_out)


def _numbers(elements: Elements, frames: int) -> list[int]:
    """Return the segment that each frame draws, 0 for frames that hold the numbers themselves."""
    if elements.values.get(SEGMENTATION_TYPE, b"").strip() == b"LABELMAP":
        return [0] * frames
    common = elements.items(SHARED_GROUPS)
    numbers = []
    for group in elements.items(FRAME_GROUPS):
        named = next(g for g in (group, *common) if g.get("SegmentIdentificationSequence"))
        numbers.append(int(named.SegmentIdentificationSequence[0].ReferencedSegmentNumber))
    if not numbers or min(numbers) < 1 or max(numbers) > MAX_LABELS:
        raise quarantined("SEG")
    return numbers


def _drawn(file: PixelFile, index: int, number: int) -> np.ndarray:
    """Return one frame as labels: `number` where it is drawn, or the numbers that it holds."""
    shared = file.header.shared
    if shared.bits_allocated == 1 and file.header.syntax in NATIVE:
        return _bits(file, index) * np.uint8(number)
    values = file.frame(index)
    if not number:
        if values.max(initial=0) > MAX_LABELS:
            raise quarantined("SEG")
        return values.astype(np.uint8)
    most = int.from_bytes(
        file.elements.values.get(MAXIMUM_FRACTION, b"\1"), "little" if file.elements.little else "big"
    )
    return (2 * values.astype(np.int64) >= most).astype(np.uint8) * np.uint8(number)


def _bits(file: PixelFile, index: int) -> np.ndarray:
    """Return a frame of single bits, which need not begin with a byte (PS3.5 8.1.1)."""
    rows, columns = file.header.matrix
    first, last = index * rows * columns, (index + 1) * rows * columns
    file.elements.stream.seek(file.elements.pixel_start + first // 8)
    content = np.frombuffer(file.elements.stream.read((last + 7) // 8 - first // 8), np.uint8)
    bits = np.unpackbits(content, bitorder="little")[first % 8 :][: rows * columns]
    return bits.reshape(rows, columns)


def _lay(labels: np.ndarray, drawn: np.ndarray, frame: Frame, to_voxels: np.ndarray) -> None:
    """Write what a frame draws at its place."""
    rows, columns = np.nonzero(drawn)
    if not rows.size:
        return
    start, down, across = _steps(frame, to_voxels)
    ends = np.array([[row, column] for row in (0, drawn.shape[0] - 1) for column in (0, drawn.shape[1] - 1)])
    exact = [start + row * down + column * across for row, column in ends]
    start, down, across = (np.rint(vector).astype(int) for vector in (start, down, across))
    whole = [start + row * down + column * across for row, column in ends]
    index = start + rows[:, None] * down + columns[:, None] * across
    apart = np.abs(np.array(exact) - whole).max()
    if apart > GRID_TOLERANCE or (index < 0).any() or (index >= labels.shape).any():
        raise quarantined("MASK_MISMATCH")
    labels[tuple(index.T)] = drawn[rows, columns]


def _steps(frame: Frame, to_voxels: np.ndarray) -> Iterator[np.ndarray]:
    """Return, in voxels, a frame's first pixel and the steps to its next row and its next column."""
    if frame.position is None or frame.orientation is None or frame.spacing is None:
        raise quarantined("MASK_MISMATCH")
    column, row = np.array(frame.orientation[3:]), np.array(frame.orientation[:3])
    linear = to_voxels[:3, :3]
    yield linear @ frame.position + to_voxels[:3, 3]
    yield linear @ column * frame.spacing[0]
    yield linear @ row * frame.spacing[1]
