"""Affines of views lead from pixels to where the pixels were sampled."""

from __future__ import annotations

import numpy as np
import pytest

from medcl.views import draw_views, load_policy, read_geometry
from medcl.views.affines import view_affines, voxel_affines
from medcl.views.masks import pixel_positions
from tests.views.phantoms import MemoryStore


@pytest.mark.parametrize("dims", [2, 3])
def test_pixels_lie_where_they_were_sampled(volumes: MemoryStore, dims: int) -> None:
    params = draw_views(load_policy("mr"), read_geometry(volumes, range(3), dims), 12, 0)
    affines = view_affines(volumes, params)
    assert affines is not None
    assert affines.shape == (3, 2, 4, 4)
    for scan in range(3):
        axis = int(params.slice_axis[scan])
        inside = [n for n in range(3) if n != axis]
        for view, to_voxel in enumerate(voxel_affines(params, scan)):
            pixel = np.array([5, 7, 3, 1]) if dims == 3 else np.array([5, 7, 0, 1])
            voxel = to_voxel @ pixel
            np.testing.assert_allclose(
                voxel[inside], pixel_positions(params, scan, view)[tuple(pixel[:dims])]
            )
            if dims == 2:
                assert voxel[axis] == params.slices[scan, view]
                assert (to_voxel @ [0, 0, 1, 0])[axis] == 1, "the next slice is one step away"
            world = volumes.affine(scan) @ voxel
            np.testing.assert_allclose(affines[scan, view].numpy() @ pixel, world)


def test_images_have_no_place_in_the_world(images: MemoryStore) -> None:
    params = draw_views(load_policy("cxr"), read_geometry(images, [0]), 12, 0)
    assert view_affines(images, params) is None
