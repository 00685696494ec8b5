"""Memory in use is never handed out again, whatever still refers to it; free memory is."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from medcl.views import ViewLoader, load_policy
from medcl.views.backends.buffers import Buffers
from tests.views.phantoms import MemoryStore, image_store

SHAPE = (4, 2, 8)
pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="beside a GPU, PyTorch pools the memory")


def address(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def test_free_memory_is_handed_out_again() -> None:
    buffers = Buffers()
    first = buffers.take(SHAPE)
    place = address(first)
    del first
    assert address(buffers.take(SHAPE)) == place


@pytest.mark.parametrize(
    "refer",
    [
        lambda tensor: tensor,
        lambda tensor: tensor[1:, 0],
        lambda tensor: tensor.view(-1)[5:6],
        lambda tensor: tensor.detach().transpose(0, 2),
        lambda tensor: tensor.untyped_storage(),
        lambda tensor: tensor.numpy(),
        lambda tensor: tensor.numpy()[1:, ::2].T,
        lambda tensor: np.asarray(tensor[2]).reshape(-1)[3:],
        lambda tensor: memoryview(tensor.numpy())[1:],
        lambda tensor: torch.from_numpy(tensor.numpy()[0])[1:],
        lambda tensor: torch.utils.dlpack.from_dlpack(tensor[1]),
        lambda tensor: [{"views": tensor[0]}],
    ],
    ids=[
        "tensor",
        "slice",
        "flat view",
        "detached",
        "storage",
        "array",
        "array view",
        "array of slice",
        "memoryview",
        "tensor of array",
        "dlpack",
        "nested",
    ],
)
def test_memory_in_use_is_not_handed_out(refer: Callable[[Tensor], object]) -> None:
    buffers = Buffers()
    tensor = buffers.take(SHAPE)
    place = address(tensor)
    reference: object = refer(tensor)
    del tensor
    gc.collect()
    others = [buffers.take(SHAPE) for _ in range(3)]
    assert place not in {address(other) for other in others}
    del reference
    gc.collect()
    assert address(buffers.take(SHAPE)) == place


def test_no_two_tensors_in_use_share_memory() -> None:
    buffers, used = Buffers(), []
    for number in range(60):
        used.append(buffers.take(SHAPE))
        used[-1].fill_(number)
        if number % 3 == 2:
            used.pop(number % len(used))
        assert len({address(tensor) for tensor in used}) == len(used)
        assert all((tensor == tensor.view(-1)[0]).all() for tensor in used)


def test_shapes_do_not_mix() -> None:
    buffers = Buffers()
    buffers.take(SHAPE)
    assert buffers.take((3, 3)).shape == (3, 3)
    assert buffers.take(SHAPE).shape == SHAPE


def test_memory_that_another_thread_lets_go_returns() -> None:
    buffers = Buffers()
    held = [buffers.take(SHAPE)]
    place = address(held[0])
    thread = threading.Thread(target=held.clear)
    thread.start()
    thread.join()
    assert address(buffers.take(SHAPE)) == place


def test_tensors_outlive_the_pool() -> None:
    buffers = Buffers()
    tensor = buffers.take(SHAPE).fill_(3)
    del buffers
    gc.collect()
    assert (tensor == 3).all()


SCANS = 8


@pytest.fixture(scope="module")
def few() -> MemoryStore:
    return image_store(SCANS)


def loader(store: MemoryStore, backend: str = "torch", **changes: Any) -> ViewLoader:
    settings: dict[str, Any] = {"size": 24, "batch_size": 4, "seed": 3, "backend": backend} | changes
    return ViewLoader(store, range(SCANS), load_policy("cxr"), **settings)


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
