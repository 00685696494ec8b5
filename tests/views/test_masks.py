"""Views keep labeled tissue."""

from __future__ import annotations

import numpy as np
import pytest

from medcl.views import ViewParams, draw_views, load_policy, read_geometry
from medcl.views.masks import view_masks
from medcl.views.sampling.crop_geometry import anchor_voxels
from tests.views.phantoms import MemoryStore, grid_affine, phantom_volume

SHAPE = (90, 80, 24)
AFFINE = grid_affine((1.0, 1.0, 5.0), SHAPE)


def lesion(low: tuple[int, int, int], high: tuple[int, int, int]) -> np.ndarray:
    mask = np.zeros(SHAPE, np.uint8)
    mask[tuple(slice(*ends) for ends in zip(low, high, strict=True))] = 2
    return mask


def drawn(store: MemoryStore, name: str = "mr", dims: int = 2, epochs: int = 40) -> list[ViewParams]:
    geometry = read_geometry(store, range(len(store.rows)), dims)
    return [draw_views(load_policy(name), geometry, 32, 5, epoch) for epoch in range(epochs)]


@pytest.mark.parametrize("dims", [2, 3])
def test_half_of_the_anchors_lie_on_labeled_tissue(dims: int) -> None:
    mask = lesion((20, 50, 8), (26, 56, 11))
    store = MemoryStore().add(phantom_volume(SHAPE, AFFINE), AFFINE, mask=mask)
    params = drawn(store, dims=dims, epochs=200)
    marked = np.array([p.marked[0] for p in params])
    assert 0.4 < marked.mean() < 0.6
    geometry = read_geometry(store, [0], dims)
    for p in [p for p in params if p.marked[0]]:
        if dims == 2:
            assert set(p.slices[0]) <= {7, 8, 9, 10, 11}
        at = anchor_voxels(geometry, p.anchor)[0]
        assert (np.abs(at[:2] - (22.5, 52.5)) < 10).all()


def test_both_views_keep_a_small_lesion_at_a_labeled_anchor() -> None:
    mask = lesion((20, 50, 8), (26, 56, 11))
    store = MemoryStore().add(phantom_volume(SHAPE, AFFINE), AFFINE, mask=mask)
    for params in drawn(store):
        (views,) = view_masks(store, params)
        assert views is not None
        if params.marked[0] and set(params.slices[0]) <= {8, 9, 10}:
            assert (views == 2).any(axis=(1, 2)).all()


def test_scans_without_a_mask_are_anchored_on_tissue() -> None:
    empty = np.zeros(SHAPE, np.uint8)
    store = MemoryStore().add(phantom_volume(SHAPE, AFFINE), AFFINE)
    store.add(phantom_volume(SHAPE, AFFINE) + 1, AFFINE, mask=empty)
    assert not any(params.marked.any() for params in drawn(store))
