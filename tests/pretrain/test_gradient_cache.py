"""Cached gradients equal those of the whole batch; accumulated ones do not."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from medcl.pretrain import EncoderConfig, pretrain
from medcl.pretrain.gradient_cache import cached_backward
from medcl.pretrain.methods import Batch, Method
from tests.pretrain.small_methods import CONFIGS, SMALL_ENCODER, make, make_views, without_batch_norm
from tests.pretrain.stores import settings

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
    parts = cached_backward(method, views, BATCH, chunk)
    assert parts["loss"].item() == pytest.approx(whole["loss"].item(), rel=1e-12)
    assert not parts["loss"].requires_grad
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


LINEAR = EncoderConfig(name=SMALL_ENCODER, options={"pixels": 256}, feature_size=8)
"""Without batch norm, so that cached gradients are exact."""


def log(run: Path) -> pd.DataFrame:
    return pd.read_csv(run / "metrics.csv")


def weights(run: Path) -> torch.Tensor:
    return torch.cat([w.flatten().double() for w in load_file(run / "encoder.safetensors").values()])


def test_cached_gradients_train_the_same_network(images: Path, tmp_path: Path) -> None:
    """MoCo's heads have no batch norm, and this encoder has none."""
    changes = {"encoder": LINEAR, "method": {"name": "moco"}, "clip_norm": 100.0}
    for name, chunk in (("whole", None), ("chunks", 5)):
        pretrain(settings(images, cached_chunk=chunk, **changes), tmp_path / name)
    torch.testing.assert_close(weights(tmp_path / "whole"), weights(tmp_path / "chunks"))


@pytest.mark.parametrize("method", ["simclr", "byol", "swav", "barlow_twins"])
def test_every_method_runs_on_cached_gradients(images: Path, tmp_path: Path, method: str) -> None:
    small = {"size_px": 8} if method == "swav" else None
    config = settings(images, method={"name": method}, small_views=small, cached_chunk=12, epochs=1)
    pretrain(config, tmp_path / "run")
    assert (log(tmp_path / "run")["gradient_norm"] > 0).all()
