"""Processes, devices and precision of a run, and the collectives and batch norm that span processes."""

from medcl.pretrain.distributed.batchnorm import synchronize_batch_norm
from medcl.pretrain.distributed.collectives import (
    average_gradients,
    gather,
    gather_with_grad,
    rank,
    sum_with_grad,
    world_size,
)
from medcl.pretrain.distributed.launch import channels_last, launch, restarted

__all__ = [
    "average_gradients",
    "channels_last",
    "gather",
    "gather_with_grad",
    "launch",
    "rank",
    "restarted",
    "sum_with_grad",
    "synchronize_batch_norm",
    "world_size",
]
