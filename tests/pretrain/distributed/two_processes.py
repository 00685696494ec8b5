"""What two gloo processes compute; the tests of this folder compare it with one process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from medcl.pretrain.distributed import collectives as gather
from medcl.pretrain.distributed.batchnorm import synchronize_batch_norm
from medcl.pretrain.gradient_cache import cached_backward
from medcl.pretrain.methods import Batch
from tests.pretrain.small_methods import CONFIGS, make, make_views, without_batch_norm

WORLD, STEPS, SCANS = 2, 4, 8


def run_method(name: str, rank: int, world: int) -> dict[str, Any]:
    """Train a few steps on this rank's share of the same batches; return what must not depend on `world`."""
    method = make(name, norm=True).double()  # rounding differs by batch size, and SwAV's codes amplify it
    synchronize_batch_norm(method, "cpu")
    wrapped = DistributedDataParallel(method, broadcast_buffers=False) if world > 1 else method
    optimizer = torch.optim.SGD([p for p in method.parameters() if p.requires_grad], lr=0.05, momentum=0.9)
    own = slice(rank * SCANS // world, (rank + 1) * SCANS // world)
    losses, gradients = [], {}
    for step in range(STEPS):
        scan = torch.arange(SCANS) + SCANS * (step % 2)
        batch = Batch(scan[own], scan[own] // 3, step=step, epoch=step // 2)
        loss = wrapped(make_views(step % 2)[own].double(), batch)["loss"]
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
