"""Two gloo processes compute what one process computes: every method, its losses, gradients and memory."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from medcl.pretrain.cost.plan import Rates, plan
from medcl.pretrain.distributed import collectives as gather
from medcl.pretrain.distributed.batchnorm import CpuSyncBatchNorm, synchronize_batch_norm
from medcl.pretrain.gradient_cache import cached_backward
from medcl.pretrain.methods import Batch, Method
from tests.pretrain.small_methods import CONFIGS, make, make_views, without_batch_norm

WORLD, STEPS, SCANS = 2, 4, 8


def run_method(name: str, rank: int, world: int) -> dict[str, Any]:
    """Train a few steps on this rank's share of the same batches; return what must not depend on `world`."""
    method = make(name, norm=True)
    synchronize_batch_norm(method, "cpu")
    wrapped = DistributedDataParallel(method, broadcast_buffers=False) if world > 1 else method
    optimizer = torch.optim.SGD([p for p in method.parameters() if p.requires_grad], lr=0.05, momentum=0.9)
    own = slice(rank * SCANS // world, (rank + 1) * SCANS // world)
    losses, gradients = [], {}
    for step in range(STEPS):
        scan = torch.arange(SCANS) + SCANS * (step % 2)
        batch = Batch(scan[own], scan[own] // 3, step=step, epoch=step // 2)
        loss = wrapped(make_views(step % 2)[own], batch)["loss"]
        optimizer.zero_grad()
        loss.backward()
        if step == STEPS - 1:
            gradients = {n: p.grad.clone() for n, p in method.named_parameters() if p.grad is not None}
        optimizer.step()
        method.on_step_end((step + 1) / STEPS)
        losses.append(mean_over_processes(loss.detach()).item())
    return {"losses": losses, "gradients": gradients, "state": method.state_dict()}


def mean_over_processes(value: Tensor) -> Tensor:
    return gather.gather(value[None]).mean()


def run_norm(rank: int, world: int) -> dict[str, Tensor]:
    """Push a (8, 3, 4, 5) batch through a batch norm whose processes see half of it each."""
    torch.manual_seed(1)
    norm = nn.BatchNorm2d(3)
    nn.init.normal_(norm.weight)
    images = (torch.randn(8, 3, 4, 5) * 3 + 5)[rank * 8 // world : (rank + 1) * 8 // world].requires_grad_()
    layer = synchronize_batch_norm(norm, "cpu")
    outputs = layer(images)
    outputs.pow(3).sum().backward()
    gather.average_gradients(layer)
    return {
        "outputs": gather.gather(outputs),
        "input gradient": gather.gather(images.grad),
        "weight gradient": layer.weight.grad * world,
        "mean": layer.running_mean,
        "variance": layer.running_var,
        "unchanged in evaluation": layer.eval()(images.detach()).isfinite().all(),
    }


def run_cached(rank: int, world: int) -> dict[str, Tensor]:
    """Return the gradients of a cached backward pass, past the wrapper of DistributedDataParallel."""
    method = without_batch_norm(make("simclr"))
    if world > 1:
        DistributedDataParallel(method)
    own = slice(rank * SCANS // world, (rank + 1) * SCANS // world)
    cached_backward(method, make_views()[own], Batch(torch.arange(SCANS)[own]), chunk=3)
    return {name: p.grad for name, p in method.named_parameters() if p.grad is not None}


def count_bytes(name: str, rank: int) -> int:
    """Return what a ring would send for the collectives that one step of the method calls."""
    method, sent = make(name), [0]
    real_sum, real_gather = dist.all_reduce, dist.all_gather

    def counted_sum(values: Tensor) -> None:
        sent[0] += 2 * values.nbytes * (WORLD - 1) // WORLD
        real_sum(values)

    def counted_gather(parts: list[Tensor], values: Tensor) -> None:
        sent[0] += values.nbytes * (WORLD - 1)
        real_gather(parts, values)

    dist.all_reduce, dist.all_gather = counted_sum, counted_gather
    try:
        own = slice(rank * SCANS // WORLD, (rank + 1) * SCANS // WORLD)
        method.loss(make_views()[own], Batch(torch.arange(SCANS)[own]))["loss"].backward()
        method.on_step_end(0)
    finally:
        dist.all_reduce, dist.all_gather = real_sum, real_gather
    return sent[0]


def run_gather(rank: int) -> dict[str, Tensor]:
    """Rank r owns x = r + 1 and has the loss (r + 1) * sum(gathered ** 2)."""
    x = torch.full((1, 2), rank + 1.0, requires_grad=True)
    everyone = gather.gather_with_grad(x)
    ((rank + 1) * everyone.square().sum()).backward()
    y = torch.tensor(rank + 1.0, requires_grad=True)
    ((rank + 1) * gather.sum_with_grad(y).square()).backward()
    return {"everyone": everyone.detach(), "x": x.grad, "y": y.grad, "values": gather.gather(x)}


@contextmanager
def process_group(rank: int, world: int, port: int) -> Iterator[None]:
    dist.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=world)
    try:
        yield
    finally:
        dist.destroy_process_group()


def one_rank(rank: int, port: int, folder: Path) -> None:
    torch.set_num_threads(1)
    with process_group(rank, WORLD, port):
        results = {name: run_method(name, rank, WORLD) for name in CONFIGS}
        extra = {"norm": run_norm(rank, WORLD), "gather": run_gather(rank), "cached": run_cached(rank, WORLD)}
        extra["bytes"] = {name: count_bytes(name, rank) for name in CONFIGS}
    torch.save({"methods": results, **extra}, folder / f"{rank}.pt")


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("ranks")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    mp.spawn(one_rank, (port, folder), WORLD)
    return [torch.load(folder / f"{rank}.pt") for rank in range(WORLD)]


@pytest.mark.parametrize("name", CONFIGS)
def test_two_processes_equal_one(ranks: list[dict[str, Any]], name: str) -> None:
    alone = run_method(name, rank=0, world=1)
    for found in (rank["methods"][name] for rank in ranks):
        assert found["losses"] == pytest.approx(alone["losses"], rel=1e-5, abs=1e-5)
        assert found["gradients"].keys() == alone["gradients"].keys()
        for key, gradient in alone["gradients"].items():
            assert torch.allclose(found["gradients"][key], gradient, rtol=1e-4, atol=1e-5), key
        assert found["state"].keys() == alone["state"].keys()
        for key, value in alone["state"].items():
            assert torch.allclose(found["state"][key], value, rtol=1e-4, atol=1e-5), key


@pytest.mark.parametrize("name", CONFIGS)
def test_both_ranks_hold_the_same_bits(ranks: list[dict[str, Any]], name: str) -> None:
    """Otherwise rank zero's checkpoint would not be the run's."""
    one, other = (rank["methods"][name]["state"] for rank in ranks)
    assert all(torch.equal(value, other[key]) for key, value in one.items())


def test_batch_norm_over_processes_is_batch_norm_over_the_batch(ranks: list[dict[str, Any]]) -> None:
    alone = run_norm(0, 1)
    for found in (rank["norm"] for rank in ranks):
        for name, value in alone.items():
            assert torch.allclose(found[name].float(), value.float(), rtol=1e-4, atol=1e-4), name


def test_gradients_of_every_process_come_home_undivided(ranks: list[dict[str, Any]]) -> None:
    for rank, found in enumerate(each["gather"] for each in ranks):
        assert found["everyone"].tolist() == found["values"].tolist() == [[1, 1], [2, 2]]
        assert found["x"].tolist() == [[(1 + 2) * 2 * (rank + 1)] * 2]
        assert found["y"].item() == (1 + 2) * 2 * 3


def test_cached_gradients_of_two_processes_equal_those_of_one(ranks: list[dict[str, Any]]) -> None:
    alone = run_cached(0, 1)
    for found in (rank["cached"] for rank in ranks):
        assert found.keys() == alone.keys()
        assert all(torch.allclose(found[name], alone[name], atol=1e-6) for name in alone)


@pytest.mark.parametrize("name", [name for name in CONFIGS if name != "simclr-margin"])
def test_the_planner_knows_what_a_method_sends(ranks: list[dict[str, Any]], name: str) -> None:
    rates = Rates(trained_per_s=1, viewed_per_s=1, wire_bytes_per_s=1)
    planned = plan(CONFIGS[name], 0, SCANS, 1, SCANS, WORLD, rates).method_wire_bytes
    for found in (rank["bytes"][name] for rank in ranks):
        # Beside the embeddings, means and variances of D numbers travel, which the planner leaves out.
        assert planned <= found <= planned + 2 * 8 * 6 * 4


def test_synchronizing_keeps_names_weights_and_a_lone_process_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    method: Method = make("byol", norm=True)
    before = method.state_dict()
    assert synchronize_batch_norm(method, "cpu") is method
    assert not any(isinstance(module, CpuSyncBatchNorm) for module in method.modules())
    monkeypatch.setattr("medcl.pretrain.distributed.batchnorm.world_size", lambda: 2)
    synchronize_batch_norm(method, "cpu")
    norms = [module for module in method.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    assert len(norms) > 3
    assert all(isinstance(module, CpuSyncBatchNorm) for module in norms)
    assert method.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[name]) for name, value in method.state_dict().items())
