"""Geometry of crops: rotations, what fits into a scan, shared anchors, overlap and the affine."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcl.views import read_geometry
from medcl.views.sampling.crop_geometry import (
    OVERLAP_ERROR,
    PADDING,
    anchor_voxels,
    center_limits,
    largest_edge,
    overlap,
    place,
    reach,
    rotation_matrices,
    share_anchor,
    slack,
    source_matrix,
)
from tests.views.phantoms import MemoryStore

ANGLES = st.floats(-180, 180)


@given(st.lists(ANGLES, min_size=1, max_size=1) | st.lists(ANGLES, min_size=3, max_size=3))
def test_rotations_keep_lengths_and_sides(degrees: list[float]) -> None:
    matrix = rotation_matrices(np.array(degrees))
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(len(matrix)), atol=1e-12)
    assert np.linalg.det(matrix) == pytest.approx(1)


def test_a_quarter_turn_takes_the_first_axis_to_the_second() -> None:
    np.testing.assert_allclose(rotation_matrices(np.array([90.0])) @ [1, 0], [0, 1], atol=1e-12)
    about_last = rotation_matrices(np.array([0.0, 0.0, 90.0]))
    np.testing.assert_allclose(about_last @ [1, 0, 0], [0, 1, 0], atol=1e-12)


@pytest.mark.parametrize("degrees", [0.0, 5.0, 20.0, 45.0, 90.0])
def test_corners_of_a_turned_crop_stick_out_by_the_padding_at_most(degrees: float) -> None:
    turn = rotation_matrices(np.array([degrees]))
    half = reach(turn)
    line = (np.arange(400) + 0.5) / 400 - 0.5
    points = np.stack(np.meshgrid(line, line, indexing="ij"), -1).reshape(-1, 2) @ turn.T
    assert (np.abs(points) > half).any(axis=1).mean() <= PADDING + 1e-3
    assert (half <= np.abs(turn).sum(axis=-1) / 2 + 1e-12).all()
    assert largest_edge(turn, np.array([100.0, 60.0])) == pytest.approx(30 / half.max())


def test_cubes_do_not_stick_out() -> None:
    turn = rotation_matrices(np.array([10.0, 20.0, 30.0]))
    corners = np.stack(np.meshgrid(*[[-0.5, 0.5]] * 3), -1).reshape(-1, 3) @ turn.T
    np.testing.assert_allclose(np.abs(corners).max(axis=0), reach(turn))


def test_centers_keep_crops_in_the_scan_and_on_the_tissue(volumes: MemoryStore) -> None:
    geometry = read_geometry(volumes, range(3))
    edge = np.full((3, 2), 40.0)
    low, high = center_limits(geometry, edge, rotation_matrices(np.zeros((3, 2, 1))))
    assert (low >= geometry.start[:, None] + 20 - 1e-9).all()
    assert (high <= geometry.end[:, None] - 20 + 1e-9).all()
    assert (low <= high).all()
    huge = np.full((3, 2), 1e4)
    low, high = center_limits(geometry, huge, rotation_matrices(np.zeros((3, 2, 1))))
    np.testing.assert_allclose(low, high, err_msg="a crop larger than the scan lies in its middle")
    np.testing.assert_allclose(low[:, 0], (geometry.start + geometry.end) / 2)


def test_a_crop_with_its_slack_holds_the_ball() -> None:
    turn = rotation_matrices(np.array([[30.0]]))
    margin = slack(np.array([100.0]), turn, np.array([10.0]))
    for corner in ([1, 1], [1, -1], [-1, 1], [-1, -1]):
        offset = turn[0].T @ (margin[0] * np.array(corner))
        assert (np.abs(offset) + 10 <= 50 + 1e-9).all()
    assert slack(np.array([10.0]), turn, np.array([50.0])) > 0


@given(st.integers(0, 2**32 - 1))
def test_views_are_placed_round_their_shared_anchor(seed: int) -> None:
    generator = np.random.default_rng(seed)
    middle = generator.uniform(20, 80, (4, 1, 2))
    spread = generator.uniform(0, 20, (4, 2, 1))
    low, high = middle - spread, middle + spread
    margin = generator.uniform(0, 15, (4, 2))
    anchor = share_anchor(generator.uniform(0, 100, (4, 2)), low, high, margin)
    center, least, most = place(anchor, low, high, margin, generator.uniform(0, 1, (4, 2, 2)))
    assert ((center >= low - 1e-9) & (center <= high + 1e-9)).all()
    assert (np.abs(center - anchor[:, None]) <= margin[..., None] + 1e-9).all()
    assert (least <= most).all()


@pytest.mark.parametrize(
    ("shift", "second", "expected"), [(0, 10, 1.0), (5, 10, 1 / 3), (20, 10, 0.0), (0, 5, 0.25)]
)
def test_overlap_is_intersection_over_union(shift: float, second: float, expected: float) -> None:
    center = np.array([[[0.0, 0.0], [shift, 0.0]]])
    turn = rotation_matrices(np.zeros((1, 2, 1)))
    value = overlap(center, np.array([[10.0, second]]), turn)
    assert value[0] == pytest.approx(expected, abs=OVERLAP_ERROR)


@pytest.mark.parametrize("dims", [2, 3])
def test_the_middle_of_a_view_is_its_center_and_mirrors_turn_about_it(
    volumes: MemoryStore, dims: int
) -> None:
    geometry = read_geometry(volumes, range(3), dims)
    center = (geometry.start + geometry.end)[:, None] / 2 + 3.0
    edge, turn = np.full((3, 1), 30.0), rotation_matrices(np.full((3, 1, 1 if dims == 2 else 3), 10.0))
    upright = np.ones((3, 1, dims))
    mirrored = upright * np.array([1, -1, 1][:dims])
    middle = np.array([*[(15 - 1) / 2] * dims, 1])
    for mirror in (upright, mirrored):
        matrix = source_matrix(geometry, center, edge, turn, mirror, 15)
        np.testing.assert_allclose(matrix[:, 0] @ middle, anchor_voxels(geometry, center[:, 0]), atol=1e-9)
    linear = [source_matrix(geometry, center, edge, turn, m, 15)[:, 0, :, :dims] for m in (upright, mirrored)]
    np.testing.assert_allclose(linear[1], linear[0] * np.array([1, -1, 1][:dims]), atol=1e-12)
