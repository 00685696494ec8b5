"""The same bytes over workers, threads, batch sizes, order, resumption and ranks, through every backend."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from torch.utils.data import DataLoader, Dataset

from medcl.views import ViewBatch, ViewLoader, draw_views, load_policy, read_geometry
from medcl.views.backends.choose import choose_backend
from tests.views.phantoms import MemoryStore, anisotropic_store, image_store

FUSED = pytest.mark.skipif(find_spec("numba") is None, reason="needs medcl[fast]")
BACKENDS = ["torch", "monai", pytest.param("fused", marks=FUSED)]
SCANS = 8


@pytest.fixture(scope="module")
def few() -> MemoryStore:
    return image_store(SCANS)


def loader(store: MemoryStore, backend: str = "torch", **changes: Any) -> ViewLoader:
    settings: dict[str, Any] = {"size": 24, "batch_size": 4, "seed": 3, "backend": backend} | changes
    return ViewLoader(store, range(SCANS), load_policy("cxr"), **settings)


def bytes_of(batches: Iterable[ViewBatch]) -> dict[int, bytes]:
    return {
        int(row): views.numpy().tobytes()
        for batch in batches
        for row, views in zip(batch.rows, batch.data, strict=True)
    }


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("size", [1, 2, 8])
def test_batch_size_changes_nothing(few: MemoryStore, backend: str, size: int) -> None:
    assert bytes_of(loader(few, backend)) == bytes_of(loader(few, backend, batch_size=size))


@FUSED
@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("dims", [2, 3])
def test_threads_change_nothing(threads: int, dims: int) -> None:
    store = anisotropic_store()
    params = draw_views(load_policy("mr"), read_geometry(store, range(3), dims), 20, 7)
    one, several = (choose_backend("fused", n)(store, params).numpy() for n in (1, threads))
    np.testing.assert_array_equal(one, several)


class Scans(Dataset):
    """Views of one scan a time, as somebody's own PyTorch pipeline may ask for them."""

    def __init__(self, store: MemoryStore) -> None:
        self.loader = loader(store, "torch")

    def __len__(self) -> int:
        return SCANS

    def __getitem__(self, position: int) -> np.ndarray:
        return self.loader.batch(np.array([position]), 1).data[0].numpy().copy()


@pytest.mark.parametrize("workers", [0, 1, 2, 4])
def test_worker_processes_change_nothing(few: MemoryStore, workers: int) -> None:
    batches = loader(few, shuffle=False)
    batches.set_epoch(1)
    usual = [views for batch in batches for views in batch.data.numpy().copy()]
    served = DataLoader(Scans(few), batch_size=None, num_workers=workers)
    for expected, views in zip(usual, served, strict=True):
        np.testing.assert_array_equal(expected, np.asarray(views))


@pytest.mark.parametrize("backend", BACKENDS)
def test_order_changes_nothing(few: MemoryStore, backend: str) -> None:
    assert bytes_of(loader(few, backend)) == bytes_of(loader(few, backend, shuffle=False))


@pytest.mark.parametrize("backend", BACKENDS)
def test_resuming_changes_nothing(few: MemoryStore, backend: str) -> None:
    whole, rest = loader(few, backend), loader(few, backend)
    whole.set_epoch(4)
    rest.set_epoch(4, 1)
    usual, left = bytes_of(whole), bytes_of(rest)
    assert len(left) == SCANS - 4
    assert left.items() <= usual.items()


@pytest.mark.parametrize("world", [2, 4])
def test_ranks_change_nothing(few: MemoryStore, world: int) -> None:
    shares = [
        bytes_of(loader(few, batch_size=4 // world, rank=rank, world_size=world)) for rank in range(world)
    ]
    assert sum(map(len, shares)) == SCANS
    assert {row: views for share in shares for row, views in share.items()} == bytes_of(loader(few))


def test_batches_that_are_kept_are_not_written_over(few: MemoryStore) -> None:
    batches = loader(few, batch_size=2)
    first_epoch = [batch.data for batch in batches]
    copies = [views.clone() for views in first_epoch]
    batches.set_epoch(1)
    for _ in batches:
        pass
    for views, copy in zip(first_epoch, copies, strict=True):
        assert views.equal(copy)


def test_memory_is_used_again(few: MemoryStore) -> None:
    batches = loader(few, batch_size=2)
    places = set()
    for epoch in range(6):
        batches.set_epoch(epoch)
        for batch in batches:
            places.add(batch.data.data_ptr())
    assert len(places) <= 5, "two batches ahead, one being made, one being used, one about to be"
