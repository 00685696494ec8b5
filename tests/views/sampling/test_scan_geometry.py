"""Geometry of scans in the axes of their views."""

from __future__ import annotations

import numpy as np
import pytest

from medcl.errors import UsageError
from medcl.views import ScanGeometry, read_geometry
from medcl.views.sampling.scan_geometry import SIDES_UNKNOWN
from tests.views.phantoms import MemoryStore, grid_affine, phantom_volume


def geometry_of(
    shape: tuple[int, int, int], spacing: tuple[float, float, float], dims: int = 2
) -> ScanGeometry:
    affine = grid_affine(spacing, shape)
    return read_geometry(MemoryStore().add(phantom_volume(shape, affine), affine), [0], dims)


@pytest.mark.parametrize(
    ("shape", "spacing", "axis", "axes"),
    [
        ((20, 30, 8), (1.0, 2.0, 5.0), 2, (1, 0)),
        ((20, 8, 30), (1.0, 5.0, 2.0), 1, (2, 0)),
        ((8, 20, 30), (5.0, 1.0, 2.0), 0, (2, 1)),
    ],
)
def test_slices_are_shown_as_radiologists_see_them(
    shape: tuple[int, int, int], spacing: tuple[float, float, float], axis: int, axes: tuple[int, int]
) -> None:
    geometry = geometry_of(shape, spacing)
    assert geometry.slice_axis[0] == axis
    assert tuple(geometry.axes[0]) == axes
    assert (geometry.sign == -1).all()
    assert (geometry.slice_count[0], geometry.slice_mm[0]) == (8, 5.0)
    np.testing.assert_allclose(np.diag(geometry.grid[0]), [spacing[n] for n in axes])
    np.testing.assert_allclose(geometry.length[0], [shape[n] * spacing[n] for n in axes])
    assert geometry.fov[0] == pytest.approx(geometry.length.min())


def test_cubes_keep_the_axes_of_the_array() -> None:
    geometry = geometry_of((20, 30, 8), (1.0, 2.0, 5.0), dims=3)
    assert geometry.dims == 3
    assert geometry.axes.tolist() == [[0, 1, 2]]
    assert (geometry.sign == 1).all()
    assert (geometry.slice_axis[0], geometry.slice_count[0], geometry.slice_mm[0]) == (-1, 1, 0.0)


def test_images_have_no_slices_and_perhaps_no_spacing() -> None:
    image = np.zeros((20, 30), np.uint8)
    store = MemoryStore().add(image).add(image, spacing=(0.5, 0.7))
    geometry = read_geometry(store, [1, 0])
    assert geometry.spaced.tolist() == [True, False]
    np.testing.assert_allclose(geometry.length, [[10, 21], [20, 30]])
    assert geometry.rows.tolist() == [1, 0]
    assert len(geometry.take(np.array([1]))) == 1
    with pytest.raises(UsageError, match="scan s-0000000000000000 is an image; 3-D views need volumes"):
        read_geometry(store, [0], 3)


def test_the_field_of_view_is_a_square_round_the_tissue() -> None:
    image = np.zeros((100, 60), np.float32)
    image[40:70, 20:40] = np.random.default_rng(0).uniform(1, 2, (30, 20))
    geometry = read_geometry(MemoryStore().add(image, spacing=(1.0, 1.0)), [0])
    np.testing.assert_allclose(geometry.low[0], [40, 20])
    np.testing.assert_allclose(geometry.high[0], [70, 40])
    assert (geometry.whole[0], geometry.fov[0]) == (30, 30)


@pytest.mark.parametrize("flag", ["", "TILT", *sorted(SIDES_UNKNOWN)])
def test_sides_are_certain_unless_a_flag_says_otherwise(flag: str) -> None:
    store = MemoryStore().add(np.zeros((20, 30), np.uint8))
    store.rows[0]["flags"] = f"LOSSY;{flag}"
    assert read_geometry(store, [0]).sided.tolist() == [flag not in SIDES_UNKNOWN]


def test_each_slice_has_the_box_in_which_it_was_measured() -> None:
    shape = (20, 30, 8)
    affine = grid_affine((1.0, 1.0, 5.0), shape)
    valid = np.ones(shape, bool)
    valid[:5, :, 3] = False
    store = MemoryStore().add(phantom_volume(shape, affine), affine, valid=valid)
    geometry = read_geometry(store, [0])
    whole, cut = geometry.within(np.array([0])), geometry.within(np.array([3]))
    np.testing.assert_allclose((whole.end - whole.start)[0], [30, 20])
    np.testing.assert_allclose((cut.end - cut.start)[0], [30, 15])
    np.testing.assert_allclose(cut.end[0], [30, 15], err_msg="columns run against the array")
