"""Closed forms and numerical gradients of what every method makes of given embeddings."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from medcl.pretrain.methods import Batch, Method
from tests.pretrain.small_methods import CONFIGS, make

torch.set_num_threads(1)
SCANS, TAU = 6, 0.2
BATCH = Batch(torch.arange(SCANS), epoch=1)
COPIES = {"moco_v3": 4, "byol": 6, "simsiam": 4}
"""Embeddings of a scan that a method compares, where they are not one a view."""


def compare(method: Method, embeddings: Tensor) -> Tensor:
    return method.compare(embeddings, BATCH)["loss"]


def equal_views(name: str, embedding: Tensor) -> Tensor:
    """The same embedding (B, D) as every view, prediction, key and target."""
    return embedding[:, None].repeat(1, COPIES.get(name, 2), 1)


def log_sum(negatives: int, gap: float) -> float:
    """Cross-entropy of a cosine of 1 against negatives that are `gap` less similar, in units of tau."""
    return math.log(1 + negatives * math.exp(-gap))


ORTHOGONAL = {
    "simclr": log_sum(2 * SCANS - 2, 1 / TAU),
    "simclr-euclidean": log_sum(2 * SCANS - 2, 2 / TAU),
    "simclr-margin": 0.0,  # the root of two apart, and the margin is 1
    "moco": log_sum(20, 1 / TAU),
    "moco-euclidean": log_sum(12, 2 / TAU),
    "moco_v3": 2 * 2 * TAU * log_sum(SCANS - 1, 1 / TAU),
    "byol": 0.0,
    "simsiam": -1.0,
}


@pytest.mark.parametrize("name", ORTHOGONAL)
def test_equal_views_of_an_orthogonal_batch_have_the_closed_form(name: str) -> None:
    method = make(name).double()
    embedding = torch.eye(12, dtype=torch.float64)[:SCANS]
    if name.startswith("moco-") or name == "moco":
        method.queue.entries = torch.eye(12, dtype=torch.float64)[SCANS:].repeat(4, 1)[: len(method.queue)]
        method.queue.count += len(method.queue)
    found = compare(method, equal_views(name, embedding)).item()
    assert found == pytest.approx(ORTHOGONAL[name], rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("name", ["barlow_twins", "vicreg"])
def test_equal_views_with_independent_dimensions_of_unit_variance_cost_nothing(name: str) -> None:
    signs = torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1]], dtype=torch.float64).repeat(2, 1)
    batch = Batch(torch.arange(8))
    loss = make(name).double().compare(equal_views(name, 1.01 * signs), batch)["loss"].item()
    assert loss == pytest.approx(0, abs=1e-8)


def test_views_on_prototypes_of_their_own_cost_what_one_against_the_others_does() -> None:
    """With as many prototypes as scans and a small epsilon, each scan's code is its own prototype."""
    method = make("swav").double()
    method.config = method.config.model_copy(update={"epsilon": 0.01})
    method.prototypes.weight.data = torch.eye(4, dtype=torch.float64)
    views = equal_views("swav", torch.eye(4, dtype=torch.float64))
    loss = method.compare(views, Batch(torch.arange(4), epoch=1))["loss"].item()
    assert loss == pytest.approx(log_sum(3, 1 / 0.1), rel=1e-6)


@pytest.mark.parametrize("name", CONFIGS)
def test_gradients_are_those_of_the_loss(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numerically, in float64, for what is not stopped: targets, keys and codes stay fixed."""
    method = make(name).double().eval()
    width = 4 if name in ("barlow_twins", "vicreg") else 6
    generator = torch.Generator().manual_seed(3)
    shape = (SCANS, COPIES.get(name, 2), width)
    embeddings = torch.randn(*shape, generator=generator, dtype=torch.float64)
    if name.startswith("swav"):
        codes = torch.softmax(torch.randn(SCANS, 4, generator=generator, dtype=torch.float64), dim=1)
        monkeypatch.setattr(method, "_codes", lambda *told: codes)
        monkeypatch.setattr(method.prototypes, "normalize", lambda: None)
    if name.startswith("moco") and name != "moco_v3":
        method.queue.push(
            torch.randn(len(method.queue), 6, generator=generator),
            torch.full((20, 2), 99)[: len(method.queue)],
        )
    moving = {"moco": [0], "moco-euclidean": [0], "moco_v3": [0, 1], "byol": [2, 3], "simsiam": [2, 3]}
    at = moving.get(name, [0, 1])

    def loss(free: Tensor) -> Tensor:
        return compare(
            method, torch.index_put(embeddings, (torch.arange(SCANS)[:, None], torch.tensor(at)), free)
        )

    assert torch.autograd.gradcheck(loss, embeddings[:, at].clone().requires_grad_(), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "stopped"), [("moco", [1]), ("moco_v3", [2, 3]), ("byol", [0, 1, 4, 5]), ("simsiam", [0, 1])]
)
def test_no_gradient_reaches_keys_and_targets(name: str, stopped: list[int]) -> None:
    method = make(name)
    embeddings = torch.randn(SCANS, COPIES.get(name, 2), 12).requires_grad_()
    if name == "moco":
        embeddings = torch.randn(SCANS, 2, 6).requires_grad_()
        method.queue.push(torch.randn(20, 6), torch.full((20, 2), 99))
    compare(method, embeddings).backward()
    assert embeddings.grad is not None
    assert embeddings.grad[:, stopped].abs().max() == 0
    assert embeddings.grad.abs().max() > 0
