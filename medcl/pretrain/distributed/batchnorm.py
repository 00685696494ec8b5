"""Batch normalization over all processes, on any device.

PyTorch's own SyncBatchNorm runs on accelerators only. `CpuSyncBatchNorm` does the same with two sums, so that
several processes on CPUs also compute what one process would.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from medcl.pretrain.distributed.collectives import sum_with_grad, world_size


def synchronize_batch_norm(module: nn.Module, device: str) -> nn.Module:
    """Return `module` with every batch norm in it computed over all processes; weights and names stay.

    Args:
        module: Changed in place, unless it is itself a batch norm.
        device: Type of the device that it will run on, such as "cpu" or "cuda".
    """
    if world_size() == 1:
        return module
    if device != "cpu":
        converted: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(module)
        return converted
    if isinstance(module, _BatchNorm):
        return CpuSyncBatchNorm(module)
    for name, child in module.named_children():
        setattr(module, name, synchronize_batch_norm(child, device))
    return module


class CpuSyncBatchNorm(_BatchNorm):
    """Batch norm over (N, C, *spatial) whose mean and variance are sums over processes.

    Args:
        local: The batch norm to replace; its parameters and buffers are shared.
    """

    def __init__(self, local: _BatchNorm) -> None:
        super().__init__(
            local.num_features, local.eps, local.momentum, local.affine, local.track_running_stats
        )
        self.weight, self.bias = local.weight, local.bias
        self.running_mean, self.running_var = local.running_mean, local.running_var
        self.num_batches_tracked = local.num_batches_tracked
        self.training = local.training

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002  (the name in torch)
        """Accept any number of spatial dimensions."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  (the name in torch)
        """Normalize by the statistics of all processes while training, else by the running ones."""
        if not self.training or world_size() == 1:
            return super().forward(input)
        values = input.to(torch.promote_types(input.dtype, torch.float32))
        dims = [d for d in range(values.ndim) if d != 1]
        shape = [1, -1] + [1] * (values.ndim - 2)
        number = world_size() * values.numel() // values.shape[1]
        mean = sum_with_grad(values.sum(dims)) / number
        centered = values - mean.view(shape)
        variance = sum_with_grad(centered.square().sum(dims)) / number
        self._track(mean.detach(), variance.detach() * number / max(1, number - 1))
        normalized = centered * (variance + self.eps).rsqrt().view(shape)
        if self.affine:
            normalized = normalized * self.weight.view(shape) + self.bias.view(shape)
        return normalized.to(input.dtype)

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked += 1
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance, share)
