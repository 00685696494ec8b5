"""The same views whatever the batch, the order, the rank or the thread; and a loader that stops cleanly."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from medcl.errors import UsageError
from medcl.views import ViewBatch, ViewLoader, load_policy
from tests.views.phantoms import MemoryStore, image_store


def by_row(loader: ViewLoader) -> dict[int, np.ndarray]:
    return {
        int(row): views.numpy() for batch in loader for row, views in zip(batch.rows, batch.data, strict=True)
    }


@pytest.fixture
def make(images: MemoryStore) -> Callable[..., ViewLoader]:
    def loader(**changes: object) -> ViewLoader:
        settings = {"size": 32, "batch_size": 4, "seed": 3, "backend": "torch"} | changes
        return ViewLoader(images, range(12), load_policy("cxr"), **settings)

    return loader


@pytest.mark.parametrize(
    "change", [{"batch_size": 1}, {"batch_size": 12}, {"shuffle": False}, {"batch_size": 3}]
)
def test_views_do_not_depend_on_batch_or_order(make: Callable, change: dict) -> None:
    usual, other = by_row(make()), by_row(make(**change))
    assert usual.keys() == other.keys()
    for row in usual:
        np.testing.assert_array_equal(usual[row], other[row])


def test_views_do_not_depend_on_ranks(make: Callable) -> None:
    usual = by_row(make())
    shares = [by_row(make(batch_size=2, rank=rank, world_size=2)) for rank in (0, 1)]
    assert shares[0].keys().isdisjoint(shares[1])
    for row, views in (shares[0] | shares[1]).items():
        np.testing.assert_array_equal(usual[row], views)


def test_views_do_not_depend_on_threads(make: Callable) -> None:
    usual = by_row(make())
    others: list[dict[int, np.ndarray]] = []
    threads = [threading.Thread(target=lambda: others.append(by_row(make()))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for other in others:
        for row in usual:
            np.testing.assert_array_equal(usual[row], other[row])


def test_resuming_gives_the_batches_that_were_left(make: Callable) -> None:
    loader = make()
    loader.set_epoch(2)
    whole = list(loader)
    loader.set_epoch(2, 1)
    rest = list(loader)
    assert len(rest) == len(whole) - 1
    for left, right in zip(whole[1:], rest, strict=True):
        torch.testing.assert_close(left.data, right.data, rtol=0, atol=0)
        assert left.rows.tolist() == right.rows.tolist()


def test_steps_run_on_over_epochs_and_are_made_ahead(make: Callable) -> None:
    loader = make()
    each = []
    for epoch in range(3):
        loader.set_epoch(epoch)
        each += list(loader)
    on = list(loader.steps(1, 3 * len(loader)))
    assert [batch.rows.tolist() for batch in on] == [batch.rows.tolist() for batch in each[1:]]
    assert all(torch.equal(a.data, b.data) for a, b in zip(on, each[1:], strict=True))
    endless = loader.steps(len(loader) - 1)
    next(endless)
    time.sleep(0.5)
    assert next(endless).wait_s < 0.1, "the next epoch's first batch is there before it is asked for"
    endless.close()


def test_epochs_seeds_and_views_differ(make: Callable) -> None:
    first = by_row(make())
    later = make()
    later.set_epoch(1)
    for row, views in by_row(later).items():
        assert np.abs(views - first[row]).mean() > 0.01
        assert np.abs(first[row][0] - first[row][1]).mean() > 0.01
    for row, views in by_row(make(seed=4)).items():
        assert np.abs(views - first[row]).mean() > 0.01


def test_parameters_are_distinct(make: Callable) -> None:
    drawn = []
    loader = make(batch_size=12)
    for epoch in range(50):
        loader.set_epoch(epoch)
        drawn += [np.concatenate([p.edge.ravel(), p.noise_start.ravel()]) for p in (b.params for b in loader)]
    values = np.concatenate([d[:24] for d in drawn])
    starts = np.concatenate([d[24:] for d in drawn])
    assert len(np.unique(starts)) > 0.99 * len(starts)
    assert len(np.unique(values)) > 0.5 * len(values), "edges repeat only where the scan limits them"


def test_range_and_shape(make: Callable) -> None:
    for batch in make():
        assert batch.data.shape == (4, 2, 1, 32, 32)
        assert batch.data.dtype == torch.float32
        assert torch.isfinite(batch.data).all()
        assert batch.data.min() >= -2
        assert batch.data.max() <= 2
        assert batch.affines is None


def test_bag_and_whole_of_volumes(volumes: MemoryStore) -> None:
    for draw in ("bag", "whole"):
        loader = ViewLoader(
            volumes,
            [0, 1, 2],
            load_policy("mr"),
            40,
            3,
            0,
            draw=draw,
            count=5,
            shuffle=False,
            backend="torch",
        )
        (batch,) = list(loader)
        assert batch.data.shape == (3, 5, 1, 40, 40)
        assert batch.affines is not None
        assert (np.diff(batch.params.slices, axis=1) > 0).all()
        np.testing.assert_array_equal(batch.params.matrix[:, 0], batch.params.matrix[:, 4])
        np.testing.assert_array_equal(batch.params.gamma[:, 0], batch.params.gamma[:, 4])


def test_images_have_one_slice(make: Callable) -> None:
    assert next(iter(make(draw="bag", count=6))).data.shape[1] == 1


def test_leaving_early_stops_the_thread(make: Callable) -> None:
    before = threading.active_count()
    iterator = iter(make(batch_size=1))
    next(iterator)
    iterator.close()
    assert threading.active_count() == before


def test_a_fault_in_the_thread_reaches_the_consumer(images: MemoryStore, make: Callable) -> None:
    loader = make()
    lost = MemoryStore()
    lost.rows, lost.measured = images.rows, images.measured
    loader.store = lost
    with pytest.raises(IndexError):
        list(loader)


def test_waiting_is_measured(make: Callable) -> None:
    loader = make()
    waits = [batch.wait_s for batch in loader]
    assert loader.wait_s == pytest.approx(sum(waits))
    assert loader.wait_s > 0


def test_wrong_use_is_named(images: MemoryStore) -> None:
    policy = load_policy("cxr")
    with pytest.raises(UsageError, match="do not fill"):
        ViewLoader(images, range(3), policy, 32, 4, 0)
    with pytest.raises(UsageError, match="backend='gpu'"):
        ViewLoader(images, range(4), policy, 32, 4, 0, backend="gpu")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="image"):
        ViewLoader(images, range(4), policy, 32, 4, 0, dims=3)


def test_small_views_of_multi_crop(make: Callable) -> None:
    loader = make(small_count=4, small_size=12)
    batch = next(iter(loader))
    assert batch.small is not None
    assert batch.small.shape == (4, 4, 1, 12, 12)
    usual = by_row(make())
    for row, views in by_row(loader).items():
        np.testing.assert_array_equal(usual[row], views)


def test_patient_pairs_come_from_other_scans_of_the_patient() -> None:
    store = image_store(6)
    for row, patient in enumerate(["a", "a", "b", "b", "b", "c"]):
        store.rows[row]["patient"] = patient
    loader = ViewLoader(store, range(6), load_policy("cxr"), 24, 6, 0, draw="patient", backend="torch")
    patients = store.scans["patient"].to_numpy()
    seen = set()
    for epoch in range(6):
        loader.set_epoch(epoch)
        for batch in loader:
            assert batch.data.shape == (6, 2, 1, 24, 24)
            assert batch.partners is not None
            pairs = list(zip(batch.rows.tolist(), batch.partners.tolist(), strict=True))
            assert all(patients[one] == patients[other] for one, other in pairs)
            assert all((one == other) == (one == 5) for one, other in pairs)
            seen.update(pairs)
    assert len(seen) > 6, "partners change with the epoch"


def test_scans_in_many_shards_are_shuffled_some_shards_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    store = image_store(48)
    shards = np.arange(48) // 4
    store.page_in = lambda row, box=None: None
    store.shards = lambda rows: shards[rows]
    monkeypatch.setattr("medcl.views.loader.BUFFER_SHARDS", 3)
    loader = ViewLoader(store, range(48), load_policy("cxr"), 8, 4, seed=0)
    orders = [loader._order(epoch) for epoch in range(2)]
    for order in orders:
        assert sorted(order) == list(range(48))
        groups = [set(shards[part]) for part in np.split(order, 4)]
        assert [len(group) for group in groups] == [3, 3, 3, 3]
        within = [shards[part] for part in np.split(order, 4)]
        assert all(np.diff(part).any() and (np.sort(part) != part).any() for part in within)
    assert (orders[0] != orders[1]).any()


def test_few_shards_are_shuffled_as_a_whole() -> None:
    plain, sharded = image_store(24), image_store(24)
    sharded.page_in = lambda row, box=None: None
    sharded.shards = lambda rows: np.asarray(rows) // 6
    loaders = [ViewLoader(store, range(24), load_policy("cxr"), 8, 4, seed=0) for store in (plain, sharded)]
    np.testing.assert_array_equal(loaders[0]._order(3), loaders[1]._order(3))


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
