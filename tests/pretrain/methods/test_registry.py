"""The registry of methods: configurations that are shipped, and methods that are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
import torch
from torch import Tensor

from medcl.config import load
from medcl.pretrain.cost import Rates, plan
from medcl.pretrain.methods import (
    METHODS,
    Batch,
    Method,
    MethodConfig,
    MethodCost,
    build_method,
    method_name,
    registry,
)
from medcl.pretrain.methods.base import encode_separately
from tests.pretrain.small_methods import SmallEncoder, make_views


def test_shipped_settings_are_the_documented_defaults() -> None:
    folder = Path(__file__).parents[3] / "configs" / "methods"
    shipped = {path.stem: path for path in folder.glob("*.yaml")}
    defaults = {method_name(config): config for config in METHODS}
    assert shipped.keys() == defaults.keys()
    for name, config in defaults.items():
        assert load(shipped[name], config) == config()
        assert all(f"\n{key}:" in shipped[name].read_text() for key in config.model_fields)


class MirrorConfig(MethodConfig):
    """The smallest configuration: one number to train towards, and no cost."""

    name: Literal["mirror"] = "mirror"
    size: int = 3

    def cost(self, batch_size: int, processes: int) -> MethodCost:
        return MethodCost(queue_bytes=0, gather_bytes=0, matrix_bytes=batch_size * processes, wire_bytes=7)


class Mirror(Method):
    """Pulls two views together, and nothing else."""

    config: MirrorConfig

    def embed(self, views: Tensor) -> Tensor:
        return encode_separately(self.encoder, views)

    def compare(self, embeddings: Tensor, batch: Batch) -> dict[str, Tensor]:
        return {"loss": (embeddings[:, 0] - embeddings[:, 1]).square().mean()}


@pytest.fixture(autouse=True)
def registry_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medcl.pretrain.methods.registry.METHODS", dict(METHODS))
    monkeypatch.setattr("medcl.pretrain.methods.METHODS", registry.METHODS)


def test_a_registered_method_is_built_and_planned() -> None:
    assert registry.register(MirrorConfig)(Mirror) is Mirror
    method = build_method(MirrorConfig(size=5), SmallEncoder())
    assert isinstance(method, Mirror)
    assert method.config.size == 5
    assert method.loss(make_views(), Batch(torch.arange(8)))["loss"] > 0
    planned = plan(MirrorConfig(), 0, 64, 1, 8, 2, Rates(1, 1, 1))
    assert (planned.matrix_bytes, planned.method_wire_bytes) == (16, 7)


def test_a_method_without_a_cost_is_refused() -> None:
    class Priceless(MethodConfig):
        name: Literal["priceless"] = "priceless"

    with pytest.raises(TypeError, match="Priceless cannot be registered: it does not define cost"):
        registry.register(Priceless)(Mirror)
    with pytest.raises(TypeError, match="abstract"):
        Priceless()
    assert Priceless not in registry.METHODS


def test_a_method_without_a_loss_is_refused() -> None:
    class Lossless(Method):
        pass

    with pytest.raises(TypeError, match="Lossless cannot be registered: it does not define compare, embed"):
        registry.register(MirrorConfig)(Lossless)


def test_a_name_that_is_taken_or_missing_is_refused() -> None:
    class Impostor(MirrorConfig):
        name: Literal["simclr"] = "simclr"

    class Nameless(MirrorConfig):
        name: str

    with pytest.raises(TypeError, match="the name 'simclr' is taken"):
        registry.register(Impostor)(Mirror)
    with pytest.raises(TypeError, match="Nameless needs a name"):
        registry.register(Nameless)(Mirror)
