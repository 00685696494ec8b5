"""Data types, gray from color, and numbers that are none."""

from __future__ import annotations

import numpy as np
import pytest

from medcl.archive.arrays import compact, finite, gray_if_equal


@pytest.mark.parametrize(
    ("values", "given", "compacted"),
    [
        ([0, 1], "bool", "uint8"),
        ([0, 255], "int64", "uint8"),
        ([-1, 255], ">i4", "int16"),
        ([0, 40_000], "uint32", "uint16"),
        ([-1, 40_000], "int64", "int32"),
        ([0, 1 << 40], "uint64", "int64"),
        ([0, (1 << 64) - 1], "uint64", "float32"),
        ([1.5], "float64", "float32"),
        ([1, 2], ">i2", "int16"),
        ([1, 2], "uint16", "uint16"),
        ([], "int64", "uint8"),
    ],
)
def test_values_take_the_smallest_type_in_native_order(values: list, given: str, compacted: str) -> None:
    result = compact(np.array(values, given))
    assert result.dtype == np.dtype(compacted)
    assert result.dtype.isnative
    np.testing.assert_allclose(result.astype(float), np.array(values, given).astype(float))


def test_color_with_equal_channels_is_gray() -> None:
    gray = np.arange(12, dtype=np.uint8).reshape(3, 4)
    color = np.repeat(gray[..., None], 3, axis=2)
    np.testing.assert_array_equal(gray_if_equal(color), gray)
    color[0, 0, 2] += 1
    assert gray_if_equal(color) is color


@pytest.mark.parametrize(("missing", "flag"), [(1, "NONFINITE"), (2, "NONFINITE"), (3, "NONFINITE_MANY")])
def test_numbers_that_are_none_become_the_lowest_and_are_masked(missing: int, flag: str) -> None:
    array = np.arange(200.0) - 50
    array[:missing] = [np.nan, np.inf, -np.inf][:missing]
    filled, valid, flags = finite(array)
    assert flags == {flag}
    assert valid is not None
    assert (~valid).sum() == missing
    assert set(filled[:missing]) == {array[missing]}


def test_finite_arrays_are_passed_as_they_are() -> None:
    for array in (np.arange(3), np.arange(3.0)):
        same, valid, flags = finite(array)
        assert same is array
        assert (valid, flags) == (None, set())
    filled, valid, flags = finite(np.full(3, np.nan))
    assert (filled.tolist(), flags) == ([0, 0, 0], {"NONFINITE_MANY"})
    assert valid is not None
    assert not valid.any()
