"""A few steps of a run, to know what all of them will cost before they start."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch

from medcl.errors import UsageError
from medcl.pretrain.config import PretrainConfig
from medcl.pretrain.cost.plan import Rates, describe, plan
from medcl.pretrain.data import Scans
from medcl.pretrain.distributed.launch import channels_last, launch
from medcl.pretrain.methods import Batch, build_method
from medcl.pretrain.networks.encoders import build_encoder
from medcl.pretrain.optimizers import build_optimizer


def plan_run(config: PretrainConfig, scans: int | None, processes: int, wire_gb_per_s: float) -> str:
    """Say what `config` would cost on `scans` scans (those of its store when not given) and `processes` GPUs.

    The rates of network and views are measured here, on this machine and this store, with the batch of one
    process; that of the wire is told.

    Raises:
        UsageError: the batch does not divide over the processes, or is larger than the data.
    """
    rates, parameters, measured, device = measure_rates(config, processes)
    count = len(Scans(config).rows) if scans is None else scans
    planned = plan(
        config.method,
        parameters,
        count,
        config.epochs,
        config.batch_size,
        processes,
        Rates(*rates, wire_bytes_per_s=wire_gb_per_s * 1e9),
    )
    return "\n".join(
        [
            f"{config.method.name} on {count:,} scans, {config.epochs} epochs, {processes} processes, "
            f"{parameters / 1e6:.1f} million parameters",
            describe(planned),
            f"measured here on {device}, {measured} scans a step: network {rates[0]:.1f}, views "
            f"{rates[1]:.1f} scans/s; assumed: {wire_gb_per_s:g} GB/s of wire a process",
        ]
    )


def measure_rates(config: PretrainConfig, processes: int) -> tuple[tuple[float, float], int, int, str]:
    """Return scans a second of network and views, trained parameters, scans a step, and the device."""
    if config.batch_size % processes:
        raise UsageError(f"batch_size={config.batch_size} must be a multiple of {processes} processes")
    fabric = launch(1, config.precision, config.threads)
    own = config.batch_size // processes
    available = len(Scans(config.model_copy(update={"batch_size": 1})).rows)
    scans = Scans(config.model_copy(update={"batch_size": min(own, available)}))
    loader = scans.training()
    encoder = build_encoder(config.encoder, config.seed)
    method = build_method(config.method, encoder)
    channels_last(method)
    optimizer = build_optimizer(method, config.optimizer, config.batch_size)
    wrapped, optimizer = fabric.setup(method, optimizer)
    batch = loader.batch(np.arange(loader.batch_size), 0)
    views = fabric.to_device(batch.data)
    small = None if batch.small is None else fabric.to_device(batch.small)
    facts = Batch(*map(fabric.to_device, scans.identity(batch.rows)))

    def step() -> None:
        optimizer.zero_grad()
        fabric.backward(wrapped(views, facts, small)["loss"])
        optimizer.step()
        method.on_step_end(0.0)
        if views.is_cuda:
            torch.cuda.synchronize()

    trained = loader.batch_size / _seconds(step)
    viewed = loader.batch_size / _seconds(lambda: loader.batch(np.arange(loader.batch_size), 1))
    parameters = sum(p.numel() for p in method.parameters() if p.requires_grad)
    return (trained, viewed), parameters, loader.batch_size, str(fabric.device)


def _seconds(work: Callable[[], object], repeats: int = 3) -> float:
    """Return the mean seconds of `work`, after once to warm up."""
    work()
    begun = time.perf_counter()
    for _ in range(repeats):
        work()
    return (time.perf_counter() - begun) / repeats
