"""From positions to a grid: exact affines, gaps, tilt, and distances that are no grid."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcl.archive.dicom.series.slice_grid import (
    Grid,
    grid,
    is_even,
    normal,
    same_orientation,
    same_spacing,
)

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
PIXEL = (0.5, 0.7)


def along(*depths: float) -> Grid:
    return grid([(10.0, 20.0, depth) for depth in depths], AXIAL, PIXEL, None)


@pytest.mark.parametrize(
    ("orientation", "expected"),
    [(AXIAL, (0, 0, 1)), ((1, 0, 0, 0, 0, -1), (0, 1, 0)), ((0, 1, 0, 0, 0, -1), (-1, 0, 0))],
)
def test_the_normal_is_rows_times_columns(orientation: tuple, expected: tuple) -> None:
    np.testing.assert_allclose(normal(orientation), expected, atol=1e-12)


@pytest.mark.parametrize(("degrees", "same"), [(0.0, True), (0.05, True), (0.2, False), (180.0, False)])
def test_orientations_are_one_within_a_tenth_of_a_degree(degrees: float, same: bool) -> None:
    angle = np.radians(degrees)
    turned = (np.cos(angle), np.sin(angle), 0, -np.sin(angle), np.cos(angle), 0)
    assert same_orientation(AXIAL, turned) is same


def test_spacings_are_one_within_a_thousandth() -> None:
    assert same_spacing((1.0, 2.0), (1.0009, 2.0))
    assert not same_spacing((1.0, 2.0), (1.0, 2.003))


def test_even_slices_have_the_exact_affine() -> None:
    result = along(0, 2.5, 5, 7.5)
    assert (result.count, result.is_even, result.flags) == (4, True, ())
    expected = [[-0.7, 0, 0, -10], [0, -0.5, 0, -20], [0, 0, 2.5, 0], [0, 0, 0, 1]]
    np.testing.assert_allclose(result.affine, expected)


@given(st.integers(4, 40), st.floats(0.5, 8), st.integers(0, 2**32 - 1))
def test_rounded_positions_are_still_even(count: int, step: float, seed: int) -> None:
    jitter = np.random.default_rng(seed).uniform(-0.004, 0.004, count)
    result = along(*(np.arange(count) * step + jitter))
    assert result.is_even
    assert result.affine[2, 2] == pytest.approx(step, rel=0.02)


def test_a_drift_that_adds_up_is_not_even() -> None:
    steady = np.full(40, 2.0)
    assert is_even(steady)
    assert is_even(np.array([]))
    assert not is_even(steady + np.where(np.arange(40) < 20, 0.019, -0.019))
    assert not is_even(np.array([2.0, 2.0, 3.0]))


def test_missing_slices_are_places_of_the_grid() -> None:
    depths = [float(n) for n in range(30) if n != 12]
    result = along(*depths)
    assert (result.count, result.flags, result.is_even) == (30, ("GAP",), False)
    assert result.places.tolist() == depths


@pytest.mark.parametrize(
    "missing", [set(range(10, 14)), set(range(3, 30, 4))], ids=["four in a row", "more than a tenth"]
)
def test_too_many_missing_slices_are_a_large_gap(missing: set[int]) -> None:
    result = along(*(float(n) for n in range(32) if n not in missing))
    assert result.flags == ("GAP", "GAP_LARGE")
    assert result.count == 32


def test_a_gap_of_more_than_15_mm_is_large() -> None:
    assert along(*(8.0 * n for n in range(30) if n != 12)).flags == ("GAP", "GAP_LARGE")


def test_planned_and_uneven_distances_are_resampled() -> None:
    planned = along(0, 1, 2, 3, 5, 7, 9, 11)
    assert planned.flags == ("VARSPACING",)
    assert planned.places.tolist() == [0, 1, 2, 3, 5, 7, 9, 11]
    uneven = along(0, 1, 2.3, 3.9, 5)
    assert uneven.flags == ("VARSPACING",)
    assert uneven.places[-1] == uneven.count - 1
    assert along(0, 1, 2.2, 50).flags == ("GAP_LARGE", "VARSPACING")


def test_a_tilted_gantry_shears_the_grid() -> None:
    positions = [(0.0, 0.3 * n, 1.0 * n) for n in range(6)]
    result = grid(positions, AXIAL, PIXEL, None)
    assert result.flags == ("TILT",)
    np.testing.assert_allclose(result.affine[:3, 2], [0, -0.3, 1])


def test_slices_shifted_sideways_are_no_grid() -> None:
    positions = [(float(n % 2), 0.0, 1.0 * n) for n in range(6)]
    with pytest.raises(ValueError, match="shifted sideways"):
        grid(positions, AXIAL, PIXEL, None)


def test_a_single_slice_is_as_thick_as_it_says() -> None:
    result = grid([(1.0, 2.0, 3.0)], AXIAL, PIXEL, 5.0)
    assert (result.count, result.affine[2, 2], result.is_even) == (1, 5, True)
    with pytest.raises(ValueError, match="single slice without thickness"):
        grid([(1.0, 2.0, 3.0)], AXIAL, PIXEL, None)
