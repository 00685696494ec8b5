"""What a view samples: slices, neighbors, images, averages, and where it leaves its source."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcl.views import draw_views, load_policy, read_geometry
from medcl.views.backends.source import (
    averaged,
    read_source,
    reduced_matrix,
    slices_of,
    sticks_out,
    view_shape,
)
from tests.views.phantoms import MemoryStore


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_neighbors_of_the_first_and_the_last_slice_are_repeated(axis: int) -> None:
    volume = np.arange(4 * 5 * 6).reshape(4, 5, 6)
    last = volume.shape[axis] - 1
    for number, wanted in ((0, (0, 0, 1)), (2, (1, 2, 3)), (last, (last - 1, last, last))):
        stack = slices_of(volume, axis, number, 3)
        for channel, place in zip(stack, wanted, strict=True):
            np.testing.assert_array_equal(channel, volume.take(place, axis))


@given(st.integers(1, 4), st.integers(4, 13), st.integers(4, 13))
def test_averages_are_block_means_without_the_remainder(factor: int, height: int, width: int) -> None:
    source = np.random.default_rng(height).integers(0, 255, (2, height, width)).astype(np.uint8)
    mean = averaged(source, factor)
    assert mean.shape == (2, height // factor, width // factor)
    assert mean.dtype == np.float32
    np.testing.assert_allclose(mean[1, 0, 0], source[1, :factor, :factor].mean(), rtol=1e-6)
    np.testing.assert_allclose(mean[0, -1, -1], source[
        0, (height // factor - 1) * factor : height // factor * factor,
        (width // factor - 1) * factor : width // factor * factor,
    ].mean(), rtol=1e-6)  # fmt: skip


def test_sources_are_of_the_kind_of_their_scan() -> None:
    color = np.random.default_rng(0).integers(0, 255, (20, 24, 3)).astype(np.uint8)
    store = MemoryStore().add(color, spacing=(1.0, 1.0)).add(color[..., 0], spacing=(1.0, 1.0))
    params = draw_views(load_policy("cxr"), read_geometry(store, [0, 1]), 16, 0)
    gray = read_source(store, params, 0, 0)
    assert gray.shape == (1, 20, 24)
    np.testing.assert_allclose(gray[0], color @ np.array([0.299, 0.587, 0.114]), rtol=1e-3)
    assert read_source(store, params, 1, 0).dtype == np.uint8
    kept = replace(params, channels=3)
    np.testing.assert_array_equal(read_source(store, kept, 0, 0), np.moveaxis(color, -1, 0))
    np.testing.assert_array_equal(read_source(store, kept, 1, 0), [color[..., 0]] * 3)
    assert view_shape(kept) == (2, 2, 3, 16, 16)
    assert view_shape(replace(params, stack=5)) == (2, 2, 5, 16, 16)


def test_an_averaged_source_is_sampled_at_the_same_places() -> None:
    ramp = np.arange(40.0)[:, None].repeat(40, axis=1).astype(np.float32)
    store = MemoryStore().add(ramp, spacing=(1.0, 1.0))
    params = draw_views(load_policy("cxr"), read_geometry(store, [0]), 8, 0)
    params = replace(params, reduce=np.array([4]))
    mean = read_source(store, params, 0, 0)[0]
    pixel = np.array([3.0, 4.0, 1.0])
    voxel, block = params.matrix[0, 0] @ pixel, reduced_matrix(params)[0, 0] @ pixel
    assert np.interp(block[0], np.arange(10), mean[:, 0]) == pytest.approx(voxel[0], abs=1e-4)


def test_views_that_leave_their_source_are_known() -> None:
    store = MemoryStore().add(np.zeros((20, 20), np.uint8), spacing=(1.0, 1.0))
    params = draw_views(load_policy("cxr"), read_geometry(store, [0]), 20, 0, draw="whole", count=1)
    assert sticks_out(params).tolist() == [[False]]
    moved = params.matrix.copy()
    moved[..., -1] += 0.1
    assert sticks_out(replace(params, matrix=moved)).tolist() == [[True]]
