"""Collectives: every exchange between the processes of a contrastive method.

DistributedDataParallel *averages* gradients over the W processes, so each process returns its own share of
the loss, and the loss of the whole batch is the mean of the shares. The backward passes below sum the
gradients of all shares; nothing is divided by W here (Barlow Twins of other libraries does, wrongly). Without
a process group every function is the identity.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable


def world_size() -> int:
    """Return the number of processes (1 without a process group)."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Return this process's number, from 0."""
    return dist.get_rank() if world_size() > 1 else 0


@torch.no_grad()
def gather(values: Tensor) -> Tensor:
    """Stack the (B, ...) values of all processes in rank order, without gradient: (W * B, ...).

    Every process must hold the same B.
    """
    if world_size() == 1:
        return values.detach()
    values = values.detach().contiguous()
    gathered = values.new_empty(world_size() * len(values), *values.shape[1:])
    dist.all_gather(list(gathered.chunk(world_size())), values)
    return gathered


def gather_with_grad(values: Tensor) -> Tensor:
    """Gather as `gather` does; backward, each value receives the gradients of every process's loss."""
    if world_size() == 1:
        return values
    gathered: Tensor = _Gather.apply(values)  # type: ignore[no-untyped-call]
    return gathered


def sum_with_grad(values: Tensor, same_loss: bool = False) -> Tensor:
    """Sum `values` over processes; backward, the gradients of every process's loss are summed.

    Args:
        values: Tensor of the same shape in every process.
        same_loss: Every process computes the same loss from the sum, so that the summed gradient is W times
            that of this process, and nothing has to be sent.
    """
    if world_size() == 1:
        return values
    total: Tensor = _Sum.apply(values, same_loss)  # type: ignore[no-untyped-call]
    return total


@torch.no_grad()
def average_gradients(module: nn.Module) -> None:
    """Average gradients over processes, as DistributedDataParallel does, where it is bypassed."""
    gradients = [p.grad for p in module.parameters() if p.grad is not None]
    if world_size() == 1 or not gradients:
        return
    flat = torch.cat([g.flatten() for g in gradients])
    dist.all_reduce(flat)
    for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient) / world_size())


class _Gather(Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        return gather(values)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        # A reduce-scatter would send half as much, but gloo has it only in recent releases.
        total = gradient.contiguous().clone()
        dist.all_reduce(total)
        return total.chunk(world_size())[rank()]


class _Sum(Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, same_loss: bool) -> Tensor:
        ctx.same_loss = same_loss
        total = values.detach().contiguous().clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        if ctx.same_loss:
            return gradient * world_size(), None
        total = gradient.contiguous().clone()
        dist.all_reduce(total)
        return total, None
