"""Measuring a few training steps on this machine, to plan the cost of a whole run."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from medcl.errors import UsageError
from medcl.pretrain.config import PretrainConfig
from medcl.pretrain.cost.plan import Rates, describe, plan
from medcl.pretrain.cost.store_cost import describe_store, sample_data, store_cost
from medcl.pretrain.distributed import channels_last, launch
from medcl.pretrain.methods import Batch, build_method
from medcl.pretrain.networks import build_encoder
from medcl.pretrain.optimizers import build_optimizer


@dataclass(frozen=True)
class MeasuredRates:
    """Rates measured in a few steps of a run.

    Attributes:
        trained_per_s: Scans (both views) per second that the network trains on.
        viewed_per_s: Scans (both views) per second that the loader delivers.
        parameters: Number of trained parameters.
        scans: Scans per measured step.
        device: Device that was measured.
    """

    trained_per_s: float
    viewed_per_s: float
    parameters: int
    scans: int
    device: str


def plan_run(config: PretrainConfig, scans: int | None, processes: int, wire_gb_per_s: float) -> str:
    """Return a description of what a run would cost.

    The rates of network and views and the cost of the store are measured here, on this machine and this
    store, with the batch of one process; the rate of the wire is an assumption.

    Args:
        config: Configuration of the run.
        scans: Number of scans; by default those of the store.
        processes: Number of processes, one per GPU.
        wire_gb_per_s: Gigabytes per second that a process sends while all send.

    Raises:
        UsageError: The batch does not divide over the processes, or is larger than the data.
    """
    if config.batch_size % processes:
        raise UsageError(f"batch_size={config.batch_size} must be a multiple of {processes} processes")
    stored = store_cost(config, scans, processes)
    count = stored.scans
    # As the run does, so that the queue is not larger than the data.
    method = config.method.limited(count, config.batch_size)
    measured = measure_rates(config.model_copy(update={"method": method}), processes)
    small = config.small_views.count if config.small_views else 0
    rates = Rates(measured.trained_per_s, measured.viewed_per_s, wire_bytes_per_s=wire_gb_per_s * 1e9)
    planned = plan(
        method, measured.parameters, count, config.epochs, config.batch_size, processes, rates, small
    )
    return "\n".join(
        [
            f"{config.method.name} on {count:,} scans, {config.epochs} epochs, {processes} processes, "
            f"{measured.parameters / 1e6:.1f} million parameters",
            describe(planned),
            describe_store(stored),
            f"measured here on {measured.device}, {measured.scans} scans per step: network "
            f"{measured.trained_per_s:.1f}, views {measured.viewed_per_s:.1f} scans/s; assumed: "
            f"{wire_gb_per_s:g} GB/s of wire per process",
        ]
    )


def measure_rates(config: PretrainConfig, processes: int) -> MeasuredRates:
    """Time a few training steps and a few batches of views, with the batch of one of `processes`.

    Raises:
        UsageError: The batch does not divide over the processes.
    """
    if config.batch_size % processes:
        raise UsageError(f"batch_size={config.batch_size} must be a multiple of {processes} processes")
    fabric = launch(1, config.precision, config.threads)
    data = sample_data(config, processes)
    loader = data.training_loader()
    encoder = build_encoder(config.encoder, config.seed)
    method = build_method(config.method, encoder)
    channels_last(method)
    optimizer = build_optimizer(method, config.optimizer, config.batch_size)
    wrapped, optimizer = fabric.setup(method, optimizer)
    batch = loader.batch(np.arange(loader.batch_size), 0)
    views = fabric.to_device(batch.data)
    small = None if batch.small is None else fabric.to_device(batch.small)
    identity = Batch(*fabric.to_device(data.identity(batch.rows)).unbind(1))

    def step() -> None:
        optimizer.zero_grad()
        fabric.backward(wrapped(views, identity, small)["loss"])
        optimizer.step()
        method.on_step_end(0.0)
        if views.is_cuda:
            torch.cuda.synchronize()

    return MeasuredRates(
        trained_per_s=loader.batch_size / _seconds(step),
        viewed_per_s=loader.batch_size / _seconds(lambda: loader.batch(np.arange(loader.batch_size), 1)),
        parameters=sum(p.numel() for p in method.parameters() if p.requires_grad),
        scans=loader.batch_size,
        device=str(fabric.device),
    )


def _seconds(work: Callable[[], object], repeats: int = 3) -> float:
    """Return the mean seconds of `work`, after one call to warm up."""
    work()
    start = time.perf_counter()
    for _ in range(repeats):
        work()
    return (time.perf_counter() - start) / repeats
