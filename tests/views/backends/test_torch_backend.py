"""The PyTorch backend: scans of any size in one batch, and steps that are exact."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from medcl.views import draw_views, load_policy, read_geometry
from medcl.views.backends import torch_backend
from tests.views.phantoms import MemoryStore, image_store


@pytest.fixture
def mixed() -> MemoryStore:
    """Images of three sizes."""
    store = image_store(1, (40, 90), 1.0)
    for shape in ((64, 64), (90, 30)):
        store.add(image_store(1, shape).arrays[0], spacing=(1.0, 1.0))
    return store


def test_a_scan_looks_the_same_beside_larger_ones(mixed: MemoryStore) -> None:
    params = draw_views(load_policy("cxr"), read_geometry(mixed, range(3)), 24, 0)
    together = torch_backend.render(mixed, params)
    for scan in range(3):
        alone = torch_backend.render(mixed, params.take(np.array([scan])))
        torch.testing.assert_close(together[scan : scan + 1], alone, atol=2e-4, rtol=0)


def test_views_are_written_where_they_are_wanted(mixed: MemoryStore) -> None:
    params = draw_views(load_policy("cxr"), read_geometry(mixed, range(3)), 24, 0)
    out = torch.full((3, 2, 1, 24, 24), torch.nan)
    assert torch_backend.render(mixed, params, out=out) is out
    assert torch.isfinite(out).all()
    assert out.abs().max() <= 2


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_black_stays_black_and_white_white_under_any_gamma(gamma: float) -> None:
    image = np.array([[0, 255]], np.uint8).repeat(16, axis=0).repeat(8, axis=1)
    store = MemoryStore().add(image, spacing=(1.0, 1.0))
    params = draw_views(load_policy("cxr"), read_geometry(store, [0]), 16, 0, draw="whole", count=1)
    ones = np.ones_like(params.gamma)
    params = replace(params, gamma=ones * gamma, low=ones * 0, width=ones * 255)
    view = torch_backend.render(store, params)[0, 0, 0]
    assert (view[:, :8] < -1.99).all()
    assert (view[:, 8:] > 1.99).all()


def test_neighbors_of_one_slice_are_read_once(volumes: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    params = draw_views(load_policy("mr"), read_geometry(volumes, [0]), 16, 0)
    reads: list[int] = []
    read = torch_backend.read_source

    def counting(store: object, params: object, scan: int, view: int) -> np.ndarray:
        reads.append(view)
        return read(store, params, scan, view)  # type: ignore[arg-type]

    monkeypatch.setattr(torch_backend, "read_source", counting)
    torch_backend.render(volumes, replace(params, slices=np.array([[5, 5]])))
    assert reads == [0]
    torch_backend.render(volumes, replace(params, slices=np.array([[5, 6]])))
    assert reads == [0, 0, 1]
