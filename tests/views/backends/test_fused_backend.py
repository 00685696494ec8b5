"""The fused backend: threads change nothing, and what its caches share."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from medcl.views import draw_views, load_policy, read_geometry
from medcl.views.backends.choose import choose_backend
from medcl.views.backends.pipeline import gaussian_weights
from tests.views.phantoms import MemoryStore, anisotropic_store

pytest.importorskip("numba")

from medcl.views.backends import fused_backend


@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("dims", [2, 3])
def test_threads_change_nothing(threads: int, dims: int) -> None:
    store = anisotropic_store()
    params = draw_views(load_policy("mr"), read_geometry(store, range(3), dims), 20, 7)
    one, several = (choose_backend("fused", n)(store, params).numpy() for n in (1, threads))
    np.testing.assert_array_equal(one, several)


def test_a_blur_is_the_same_along_every_axis_and_keeps_the_sum_inside() -> None:
    weights = gaussian_weights(np.array([1.2]))[0].astype(np.float32)
    for dims in (2, 3):
        image = np.zeros((17,) * dims, np.float32)
        image[(8,) * dims] = 1
        fused_backend.blur(image, weights)
        expected = ndimage.convolve1d(np.eye(1, 17, 8)[0], weights, mode="nearest")
        np.testing.assert_allclose(image.sum(), 1, atol=1e-5)
        for axis in range(dims):
            others = tuple(n for n in range(dims) if n != axis)
            np.testing.assert_allclose(image.sum(axis=others), expected, atol=1e-5)


def test_sources_cannot_be_written_and_are_copied_only_if_they_must() -> None:
    whole = np.arange(12, dtype=np.int16).reshape(3, 4)
    for source, shares in ((whole, True), (whole[:, ::2], False)):
        view = fused_backend.read_only(source)
        assert not view.flags.writeable
        assert view.flags.c_contiguous
        assert np.shares_memory(view, source) is shares
    assert whole.flags.writeable


def test_views_are_written_where_they_are_wanted(images: MemoryStore) -> None:
    params = draw_views(load_policy("cxr"), read_geometry(images, [0, 1]), 16, 0)
    out = torch.full((2, 2, 1, 16, 16), torch.nan)
    rendered = fused_backend.render(images, params, out=out)
    assert rendered.data_ptr() == out.data_ptr()
    assert torch.isfinite(out).all()
    assert out.equal(fused_backend.render(images, params))
