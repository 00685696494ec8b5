"""Raw values: what they are read as, and which are no usable value."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcl.archive.dicom.header import values


def test_texts_lose_padding_and_what_is_not_ascii() -> None:
    assert values.text(b" CHEST \0") == "CHEST"
    assert values.text("Müller".encode("latin-1")) == "M\ufffdller"
    assert values.identifier(" Müller\0".encode("latin-1")) == "Müller"
    assert values.strings(b"ORIGINAL\\ PRIMARY \\AXIAL ") == ("ORIGINAL", "PRIMARY", "AXIAL")
    assert values.strings(b"  ") == ()


@pytest.mark.parametrize(
    ("raw", "numbers"),
    [(b"0.5\\0.75 ", (0.5, 0.75)), (b"1,5", (1.5,)), (b"-1E-2", (-0.01,)), (b"", None), (b" \0", None)],
)
def test_decimal_strings_may_have_commas(raw: bytes, numbers: tuple[float, ...] | None) -> None:
    assert values.decimals(raw) == numbers


@pytest.mark.parametrize("raw", [b"NaN", b"1\\inf", b"one", b"1\\\\2"])
def test_decimal_strings_without_numbers_are_an_error(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"^$|could not convert"):
        values.decimals(raw)


def test_the_first_of_several_values_is_the_value() -> None:
    assert values.decimal(b"1.5\\junk") == 1.5
    assert values.integer(b"12 ") == 12
    assert values.integer(b"12.0") == 12
    assert values.decimal(b"") is values.integer(b"") is None


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=1, max_size=6))
def test_binary_numbers_are_read_in_both_byte_orders(numbers: list[float]) -> None:
    for order, little in (("<", True), (">", False)):
        for code, several, one in (
            ("d", values.doubles, values.double),
            ("f", values.singles, values.single),
        ):
            raw = struct.pack(f"{order}{len(numbers)}{code}", *numbers)
            assert several(raw + b"\0", little) == tuple(numbers)
            assert one(raw, little) == numbers[0]


def test_binary_numbers_that_are_none() -> None:
    assert (
        values.doubles(b"\0" * 7) is values.singles(b"") is values.double(b"") is values.single(b"") is None
    )
    assert values.doubles(struct.pack("<d", math.nan)) is None
    assert values.singles(struct.pack("<2f", 1, math.inf)) is None


def test_16_bits_are_unsigned_and_pixel_values_little_endian() -> None:
    assert values.short(b"\x01\x02\x03") == 0x0201
    assert values.short(b"\x01\x02", little=False) == 0x0102
    assert values.stored_value(b"\x01\x02\x03", little=True) == b"\x01\x02"
    assert values.stored_value(b"\x01\x02\x03", little=False) == b"\x02\x01"


@given(st.floats(-3, 3), st.floats(-1.4, 1.4), st.floats(-3, 3))
def test_directions_are_made_exact_where_writers_rounded(a: float, b: float, c: float) -> None:
    row = np.array([np.cos(a) * np.cos(b), np.sin(a) * np.cos(b), np.sin(b)])
    other = np.cross(row, [0, 0, 1.0]) if abs(np.sin(b)) < 0.9 else np.cross(row, [1.0, 0, 0])
    other /= np.linalg.norm(other)
    column = np.cos(c) * other + np.sin(c) * np.cross(row, other)
    rounded = tuple(np.round([*row, *column], 3))
    exact = values.direction(rounded)
    assert exact is not None
    np.testing.assert_allclose(exact, rounded, atol=3e-3)
    matrix = np.reshape(exact, (2, 3))
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(2), atol=1e-12)


@pytest.mark.parametrize(
    "vector",
    [None, (1, 0, 0), (1, 0, 0, 1, 0, 0), (0,) * 6, (1, 0, 0, 0, 0.9, 0), (1, 0, 0, 0.05, 1, 0), (1,) * 7],
)
def test_directions_that_are_none(vector: tuple[float, ...] | None) -> None:
    assert values.direction(vector) is None


@pytest.mark.parametrize(
    ("vector", "expected"),
    [((0.5, 0.7), (0.5, 0.7)), ((0.5,), (0.5, 0.5)), ((0, 1), None), ((-1, 1), None), ((), None),
     (None, None), ((1, 1, 1), None)],
)  # fmt: skip
def test_sizes_are_one_or_two_positive_numbers(
    vector: tuple[float, ...] | None, expected: tuple[float, ...] | None
) -> None:
    assert values.sizes(vector) == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [(b"1\\-2.5\\3 ", (1, -2.5, 3)), (b"1\\2", None), (b"a\\b\\c", None), (b"", None), (None, None)],
)
def test_a_place_is_three_numbers(raw: bytes | None, expected: tuple[float, ...] | None) -> None:
    assert values.place(raw) == expected
