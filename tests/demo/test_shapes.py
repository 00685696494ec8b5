"""Depths under the surface of shapes."""

from __future__ import annotations

import numpy as np
import pytest

from medcl.demo.shapes import Interior, Lesion, Shape, Tube


def at(*places: tuple[float, float, float]) -> np.ndarray:
    return np.array(places, float).T


def test_a_sphere_is_as_deep_as_its_radius_less_the_distance() -> None:
    sphere = Shape((1, 2, 3), (10, 10, 10), 50)
    depth = sphere.depth_mm(at((1, 2, 3), (1, 2, 9), (11, 2, 3), (1, 14, 3)))
    np.testing.assert_allclose(depth, [10, 4, 0, -2], atol=1e-3)


def test_a_turned_ellipsoid_turns_about_the_axis_from_foot_to_head() -> None:
    upright, turned = Shape((0, 0, 0), (20, 5, 5), 50), Shape((0, 0, 0), (20, 5, 5), 50, 90)
    places = at((15, 0, 0), (0, 15, 0))
    assert (upright.depth_mm(places) > 0).tolist() == [True, False]
    assert (turned.depth_mm(places) > 0).tolist() == [False, True]


def test_bulges_move_the_surface_by_their_share() -> None:
    bulging = Shape((0, 0, 0), (10, 10, 10), 50, wobble=((2, 0.2, np.pi / 2),))
    np.testing.assert_allclose(bulging.depth_mm(at((12, 0, 0), (0, 8, 0), (0, 0, 10))), 0, atol=1e-3)


def test_an_interior_begins_below_its_margin() -> None:
    sphere = Shape((0, 0, 0), (10, 10, 10), 50)
    places = at((5, 0, 0), (9, 0, 0))
    np.testing.assert_allclose(Interior(sphere, 3).depth_mm(places), sphere.depth_mm(places) - 3)


def test_a_tube_ends_in_half_balls() -> None:
    tube = Tube((0, 0, -10), (0, 0, 10), 2, 150)
    depth = tube.depth_mm(at((0, 0, 0), (2, 0, 5), (0, 0, 11), (0, 0, 13)))
    np.testing.assert_allclose(depth, [2, 0, 1, -1])
    assert (tube.center, tube.radii) == ((0, 0, 0), (2, 2, 12))


def test_depths_have_the_shape_of_the_points() -> None:
    assert Shape((0, 0, 0), (1, 1, 1), 0).depth_mm(np.zeros((3, 4, 5, 6), np.float32)).shape == (4, 5, 6)


@pytest.mark.parametrize("flattening", [0.8, 1.1])
def test_a_lesion_is_a_spheroid_of_its_diameter(flattening: float) -> None:
    shape = Lesion((1, 2, 3), 20, flattening, -60).shape(40)
    assert (shape.center, shape.radii, shape.value) == ((1, 2, 3), (10, 10, 10 * flattening), 40)
