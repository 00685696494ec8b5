"""Color images: palettes, plain or in segments, and RGB of any depth (PS3.3 C.7.6.3.1.5, C.7.9)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medcl.archive.dicom.header.elements import Elements
from medcl.archive.dicom.pixels.lut import LookupTable
from medcl.archive.dicom.tags import PALETTE_DESCRIPTORS, PALETTE_SEGMENTED, PALETTE_TABLES
from medcl.archive.flags import quarantined

DISCRETE, LINEAR, INDIRECT = 0, 1, 2


def from_palette(values: np.ndarray, elements: Elements, signed: bool = False) -> np.ndarray:
    """Return the (row, column, 3) uint8 image behind palette indices.

    Args:
        values: Indices (row, column).
        elements: Elements of the file, with its palette.
        signed: Whether indices are.

    Raises:
        Rejected: BAD_HEADER for a palette that is missing, cut off or contradicts itself.
    """
    try:
        tables = [
            _table(elements, *tags, signed)
            for tags in zip(PALETTE_DESCRIPTORS, PALETTE_TABLES, PALETTE_SEGMENTED, strict=True)
        ]
    except (ArithmeticError, LookupError, TypeError, ValueError):
        raise quarantined("BAD_HEADER") from None
    # Some writers state 16 bits and store 8, which would be black.
    are_bytes = all(table.values.max() < 256 for table in tables)
    return np.stack([as_bytes(table(values), 8 if are_bytes else table.bits) for table in tables], axis=-1)


def as_bytes(values: np.ndarray, bits: int) -> np.ndarray:
    """Return samples of so many bits as uint8: the upper 8 bits, or fewer bits spread over the range."""
    if bits > 8:
        return np.asarray(values >> (bits - 8)).astype(np.uint8)
    if bits < 8:
        return (values.astype(np.uint16) * 255 // ((1 << bits) - 1)).astype(np.uint8)
    return values.astype(np.uint8, copy=False)


def _table(elements: Elements, descriptor: int, data: int, segmented: int, signed: bool) -> LookupTable:
    """Return the table of one color."""
    count, first, bits = _words(elements.values[descriptor], elements.little)[:3].tolist()
    count = count or 1 << 16
    if signed and first >= 1 << 15:
        first -= 1 << 16
    plain = elements.values.get(data)
    if plain:
        entries, depth = _entries(plain, count, bits, elements.little)
    else:
        raw = elements.values[segmented]
        depth = 8 if bits <= 8 else 16
        entries = expanded((_bytes if depth == 8 else _words)(raw, elements.little), depth, count)
    if len(entries) < count:
        raise ValueError("cut off")
    return LookupTable(first, entries[:count].astype(np.int32), depth)


def _entries(raw: bytes, count: int, bits: int, little: bool) -> tuple[np.ndarray, int]:
    """Return the entries of a plain table and their bits: 16, or 8 where only these fit or are used."""
    if len(raw) < 2 * count:
        return _bytes(raw, little), 8
    entries = _words(raw, little)
    return entries, 8 if bits <= 8 and entries.max() < 256 else 16


def expanded(data: np.ndarray, bits: int, count: int) -> np.ndarray:
    """Return the entries of a table in segments.

    Args:
        data: Segments as numbers of `bits` bits: opcode, length, and content.
        bits: 8 or 16.
        count: Number of entries by the descriptor.

    Raises:
        LookupError, ValueError: The segments are cut off, of an unknown kind, or not `count` entries long.
    """
    numbers = data.astype(np.int64).tolist()
    # The standard counts offsets in bytes, some writers count them in words.
    for bytes_per_offset in (2, 1) if bits == 16 else (1,):
        try:
            entries = _expanded(numbers, bits, bytes_per_offset)
        except (LookupError, ValueError):
            if bytes_per_offset == 1:
                raise
            continue
        if len(entries) == count:
            return np.array(entries)
    raise ValueError("length")


def _expanded(numbers: Sequence[int], bits: int, bytes_per_offset: int) -> list[int]:
    entries: list[int] = []
    at = 0
    while at + 2 < len(numbers) and len(entries) < 1 << 16:
        if numbers[at] != INDIRECT:
            at = _segment(numbers, at, entries)
            continue
        width = 4 if bits == 8 else 2
        offset = sum(part << (bits * place) for place, part in enumerate(numbers[at + 2 :][:width]))
        _repeat(numbers, offset // bytes_per_offset, numbers[at + 1], entries)
        at += 2 + width
    return entries


def _repeat(numbers: Sequence[int], offset: int, count: int, entries: list[int]) -> None:
    """Add the entries of `count` earlier segments from an offset on."""
    for _ in range(count):
        if len(entries) > 1 << 16:
            raise ValueError("length")
        offset = _segment(numbers, offset, entries)


def _segment(numbers: Sequence[int], at: int, entries: list[int]) -> int:
    """Add the entries of a discrete or linear segment and return where the next segment begins."""
    kind, length = numbers[at], numbers[at + 1]
    if kind == DISCRETE:
        content = numbers[at + 2 : at + 2 + length]
        if len(content) < length:
            raise ValueError("cut off")
        entries.extend(content)
        return at + 2 + length
    if kind != LINEAR or not entries:
        raise ValueError("segment")
    end = numbers[at + 2]
    entries.extend(np.rint(np.linspace(entries[-1], end, length + 1)[1:]).astype(int).tolist())
    return at + 3


def _words(raw: bytes, little: bool) -> np.ndarray:
    return np.frombuffer(raw[: len(raw) // 2 * 2], "<u2" if little else ">u2")


def _bytes(raw: bytes, little: bool) -> np.ndarray:
    """Return bytes in order; in big-endian files they are stored as words."""
    return np.frombuffer(raw, np.uint8) if little else _words(raw, False).astype("<u2").view(np.uint8)
