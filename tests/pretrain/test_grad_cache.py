"""Cached gradients equal those of the whole batch; accumulated ones do not."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from medcl.pretrain.gradient_cache import cached_backward
from medcl.pretrain.methods import Batch, Method
from tests.pretrain.small_methods import CONFIGS, make, make_views, without_batch_norm

torch.set_num_threads(1)
BATCH = Batch(torch.arange(8), torch.arange(8) // 3)


def prepare(name: str) -> Method:
    return without_batch_norm(make(name)).double()


def gradients(method: nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.grad.clone() for name, p in method.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("chunk", [1, 3, 8, 20])
@pytest.mark.parametrize("name", CONFIGS)
def test_cached_gradients_are_those_of_the_whole_batch(name: str, chunk: int) -> None:
    method, views = prepare(name), make_views().double()
    whole = method.loss(views, BATCH)
    whole["loss"].backward()
    expected = gradients(method)
    method.zero_grad()
    found = cached_backward(method, views, BATCH, chunk)
    assert found["loss"].item() == pytest.approx(whole["loss"].item(), rel=1e-12)
    assert not found["loss"].requires_grad
    assert gradients(method).keys() == expected.keys()
    assert all(torch.allclose(gradients(method)[key], expected[key], atol=1e-10) for key in expected)


def test_small_crops_are_cached_too() -> None:
    method, views, small = prepare("swav"), make_views().double(), make_views(3)[:, [0, 1, 1]].double()
    method.loss(views, BATCH, small)["loss"].backward()
    expected = gradients(method)
    method.zero_grad()
    cached_backward(method, views, BATCH, 3, small)
    assert all(torch.allclose(gradients(method)[key], expected[key], atol=1e-10) for key in expected)


def test_accumulating_small_batches_is_something_else() -> None:
    method, views = prepare("simclr"), make_views().double()
    cached_backward(method, views, BATCH, 4)
    cached = gradients(method)
    method.zero_grad()
    for half in (slice(0, 4), slice(4, 8)):
        (method.loss(views[half], Batch(BATCH.scan[half]))["loss"] / 2).backward()
    assert any((gradients(method)[key] - cached[key]).abs().max() > 1e-3 for key in cached)
