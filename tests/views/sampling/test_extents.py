"""Views stay where scans were measured."""

from __future__ import annotations

import numpy as np
import pytest

from medcl.views import ViewParams, draw_views, load_policy, read_geometry
from medcl.views.masks import pixel_positions
from tests.views.phantoms import MemoryStore, grid_affine, phantom_volume

SHAPE = (90, 80, 24)


AFFINE = grid_affine((1.0, 1.0, 5.0), SHAPE)


def drawn(store: MemoryStore, name: str = "mr", dims: int = 2, epochs: int = 40) -> list[ViewParams]:
    geometry = read_geometry(store, range(len(store.rows)), dims)
    return [draw_views(load_policy(name), geometry, 32, 5, epoch) for epoch in range(epochs)]


def tilted(shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    """Measured rows of a resampled tilted series: they move with the slice, and some slices are gaps."""
    valid = np.zeros(shape, bool)
    for number in range(shape[2]):
        valid[:, number : number + 56, number] = number not in (5, 6, 12)
    return valid


@pytest.mark.parametrize("name", ["ct", "mr"])
def test_views_show_what_was_measured(name: str) -> None:
    valid = tilted()
    store = MemoryStore().add(phantom_volume(SHAPE, AFFINE), AFFINE, valid=valid)
    for params in drawn(store, name):
        for view in range(2):
            number = int(params.slices[0, view])
            assert number not in (5, 6, 12)
            at = np.rint(pixel_positions(params, 0, view)).astype(int)
            at = np.clip(at, 0, np.array(SHAPE[:2]) - 1)
            assert (~valid[at[..., 0], at[..., 1], number]).mean() <= 0.03, (
                "one slice away the rows moved by one"
            )


def test_bags_and_whole_scans_leave_gaps_out() -> None:
    store = MemoryStore().add(phantom_volume(SHAPE, AFFINE), AFFINE, valid=tilted())
    geometry = read_geometry(store, [0])
    for draw in ("bag", "whole"):
        params = draw_views(load_policy("mr"), geometry, 32, 5, draw=draw, count=24)
        assert not {5, 6, 12} & set(params.slices[0].tolist())


def test_a_measured_box_limits_images_and_volumes() -> None:
    valid = np.zeros(SHAPE, bool)
    valid[10:70, 20:75, 2:22] = True
    store = MemoryStore().add(phantom_volume(SHAPE, AFFINE), AFFINE, valid=valid)
    geometry = read_geometry(store, [0], 3)
    np.testing.assert_allclose(geometry.start[0], [10, 20, 10])
    np.testing.assert_allclose(geometry.end[0], [70, 75, 110])
    for params in drawn(store, dims=3, epochs=10):
        for view in range(2):
            at = pixel_positions(params, 0, view)
            assert ((at >= [9.4, 19.4, 1.4]) & (at <= [69.6, 74.6, 21.6])).all(axis=-1).mean() > 0.99
    image = MemoryStore().add(
        np.full((60, 60), 90, np.uint8), spacing=(1.0, 1.0), valid=np.tri(60, 60, 20, bool)
    )
    assert read_geometry(image, [0]).end[0].tolist() == [60, 60]
