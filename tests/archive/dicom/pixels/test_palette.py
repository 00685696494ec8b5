"""Palettes, plain and in segments, and color of every depth."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcl.archive.dicom.header.elements import Elements
from medcl.archive.dicom.pixels.palette import as_bytes, expanded, from_palette
from medcl.archive.dicom.tags import PALETTE_DESCRIPTORS, PALETTE_SEGMENTED, PALETTE_TABLES
from medcl.archive.flags import Rejected

INDEX = np.arange(256, dtype=np.uint8).reshape(16, 16)


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        ([0, 3, 5, 6, 7], [5, 6, 7]),
        ([0, 1, 10, 1, 4, 50], [10, 20, 30, 40, 50]),
        ([0, 1, 50, 1, 4, 10], [50, 40, 30, 20, 10]),
        ([0, 1, 9, 1, 3, 9], [9, 9, 9, 9]),
        ([0, 2, 1, 2, 1, 2, 6, 2, 2, 0, 0, 0, 0], [1, 2, 4, 6, 1, 2, 4, 6]),
        ([0, 1, 0, 1, 2, 4, 2, 1, 3, 0, 0, 0], [0, 2, 4, 4, 4]),  # a ramp repeated goes on from the last
        ([0, 2, 8, 9, 0], [8, 9]),  # padded to an even length
    ],
)
def test_segments_of_8_bits(segments: list[int], expected: list[int]) -> None:
    assert expanded(np.array(segments, np.uint8), 8, len(expected)).tolist() == expected


@pytest.mark.parametrize("offset", [6, 3])  # in bytes, as the standard says, or in words
def test_indirect_segments_of_16_bits(offset: int) -> None:
    segments = [0, 1, 1000, 0, 2, 7, 60000, 1, 2, 0, 2, 1, offset, 0]
    expected = [1000, 7, 60000, 30000, 0, 7, 60000]
    assert expanded(np.array(segments, np.uint16), 16, len(expected)).tolist() == expected


@pytest.mark.parametrize(
    "segments",
    [
        [1, 4, 50, 0],
        [0, 9, 1, 2],
        [3, 1, 1, 0],
        [0, 1, 1, 2, 1, 99, 0, 0, 0],
        [0, 1, 1, 2, 1, 3, 0, 0, 0],
        [],
    ],
)
def test_broken_segments_are_refused(segments: list[int]) -> None:
    with pytest.raises((LookupError, ValueError)):
        expanded(np.array(segments, np.uint8), 8, 4)


@given(st.binary(max_size=60), st.sampled_from([8, 16]))
def test_no_segments_hang_or_grow(data: bytes, bits: int) -> None:
    numbers = np.frombuffer(data[: len(data) // 2 * 2], np.uint8 if bits == 8 else np.uint16)
    with contextlib.suppress(LookupError, ValueError):
        assert len(expanded(numbers, bits, 256)) == 256


def elements(
    data: bytes, bits: int, tags: tuple[int, ...], little: bool = True, count: int = 256
) -> Elements:
    """Return elements whose three colors share one table."""
    descriptor = np.array([count, 0, bits], "<u2" if little else ">u2").tobytes()
    values = dict.fromkeys(PALETTE_DESCRIPTORS, descriptor) | dict.fromkeys(tags, data)
    return Elements(io.BytesIO(), 0, little=little, values=values)


@pytest.mark.parametrize("little", [True, False])
@pytest.mark.parametrize("bits", [8, 16])
def test_pictures_of_segmented_palettes(bits: int, little: bool) -> None:
    top = 255 if bits == 8 else 255 * 257
    segments = np.array([0, 1, 0, 1, 255, top], np.uint8 if bits == 8 else np.uint16)
    data = segments.tobytes()
    data = data if little else np.frombuffer(data, "<u2").astype(">u2").tobytes()
    shown = from_palette(INDEX, elements(data, bits, PALETTE_SEGMENTED, little))
    np.testing.assert_array_equal(shown, np.repeat(INDEX[..., None], 3, -1))


@pytest.mark.parametrize(
    ("data", "bits", "little"),
    [
        (np.arange(256, dtype=np.uint8).tobytes(), 8, True),
        (np.arange(256, dtype=np.uint8).view("<u2").astype(">u2").tobytes(), 8, False),
        (np.arange(256, dtype="<u2").tobytes(), 8, True),
        ((np.arange(256) * 257).astype("<u2").tobytes(), 16, True),
        ((np.arange(256) * 257).astype("<u2").tobytes(), 8, True),
        (np.arange(256, dtype=np.uint8).tobytes(), 16, True),
        (np.arange(256, dtype="<u2").tobytes(), 16, True),
    ],
)
def test_pictures_of_plain_palettes(data: bytes, bits: int, little: bool) -> None:
    shown = from_palette(INDEX, elements(data, bits, PALETTE_TABLES, little))
    np.testing.assert_array_equal(shown[..., 0], INDEX)


def test_palettes_that_are_missing_or_cut_off_are_refused() -> None:
    for broken in (elements(b"", 8, ()), elements(bytes(100), 8, PALETTE_TABLES)):
        with pytest.raises(Rejected, match="BAD_HEADER"):
            from_palette(INDEX, broken)


@pytest.mark.parametrize("bits", [1, 4, 8, 10, 12, 16])
def test_samples_keep_black_white_and_order(bits: int) -> None:
    values = as_bytes(np.arange(1 << bits, dtype=np.uint8 if bits <= 8 else np.uint16), bits)
    assert (values[0], values[-1]) == (0, 255)
    assert (np.diff(values.astype(int)) >= 0).all()
