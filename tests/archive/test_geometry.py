"""Axis order and spacing from an affine, exactly."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcl.archive.geometry import (
    LPS_TO_RAS,
    canonical_affine,
    canonical_axes,
    is_sheared,
    spacing,
    to_canonical,
)

ORDERS = list(itertools.product(itertools.permutations(range(3)), itertools.product((1, -1), repeat=3)))


def axis_aligned(order: tuple[int, ...], signs: tuple[int, ...]) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = np.eye(3)[:, order] * np.array(signs) * [1.0, 2.0, 3.0]
    affine[:3, 3] = 7, -8, 9
    return affine


@pytest.mark.parametrize(("order", "signs"), ORDERS[::5])
def test_every_axis_order_becomes_right_anterior_superior(
    order: tuple[int, ...], signs: tuple[int, ...]
) -> None:
    affine = axis_aligned(order, signs)
    array = np.arange(4 * 5 * 6).reshape(4, 5, 6)
    turned, canonical = to_canonical(array, affine)
    assert (np.diag(canonical)[:3] > 0).all()
    assert np.count_nonzero(canonical[:3, :3]) == 3
    for index in ((0, 0, 0), (3, 4, 5), (1, 2, 3)):
        place = affine @ [*index, 1]
        there = np.rint(np.linalg.solve(canonical, place))[:3].astype(int)
        assert turned[tuple(there)] == array[index]
    again, same = to_canonical(turned, canonical)
    assert np.array_equal(again, turned)
    assert np.array_equal(same, canonical)


@given(st.integers(0, 2**32 - 1))
def test_oblique_arrays_are_turned_by_flips_and_swaps_alone(seed: int) -> None:
    generator = np.random.default_rng(seed)
    affine = np.eye(4)
    affine[:3, :3] = np.linalg.qr(generator.normal(size=(3, 3)))[0] * generator.uniform(0.5, 5, 3)
    affine[:3, 3] = generator.normal(size=3) * 100
    array = np.arange(2 * 3 * 4).reshape(2, 3, 4)
    turned, canonical = to_canonical(array, affine)
    index = tuple(generator.integers(0, array.shape))
    there = np.linalg.solve(canonical, affine @ [*index, 1])[:3]
    assert np.allclose(there, np.rint(there), atol=1e-6)
    assert turned[tuple(np.rint(there).astype(int))] == array[index]
    assert sorted(spacing(canonical)) == pytest.approx(sorted(spacing(affine)))
    assert canonical_affine(affine, array.shape)[1] == turned.shape


def test_the_last_axis_of_color_stays() -> None:
    color = np.zeros((2, 3, 4, 3))
    turned, _ = to_canonical(color, axis_aligned((2, 0, 1), (1, -1, 1)))
    assert turned.shape == (3, 4, 2, 3)
    assert turned.flags.c_contiguous


def test_ties_keep_the_present_order() -> None:
    diagonal = np.eye(4)
    diagonal[:2, :2] = np.array([[1, -1], [1, 1]]) / np.sqrt(2)
    assert canonical_axes(diagonal) == ((0, 1, 2), (False, False, False))


@pytest.mark.parametrize(("shear", "sheared"), [(0.0, False), (0.0005, False), (0.01, True)])
def test_axes_that_are_not_at_right_angles_are_sheared(shear: float, sheared: bool) -> None:
    affine = np.diag([2.0, 3.0, 4.0, 1.0])
    affine[1, 2] = shear * 4
    assert is_sheared(affine) is sheared


def test_lps_is_ras_with_two_axes_turned() -> None:
    np.testing.assert_array_equal(LPS_TO_RAS @ [1, 2, 3, 1], [-1, -2, 3, 1])
