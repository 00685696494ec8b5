"""What a run will cost before it starts: memory, bytes on the wire, hours. Arithmetic only.

Sizes are bytes of float32 unless said otherwise. Collectives are counted as rings, as NCCL runs them: a sum
of n bytes over W processes sends 2 n (W - 1) / W from each, a gather of n bytes in all sends n (W - 1) / W.
Not counted: batch-norm statistics (a few kB a layer) and the overlap of sending with computing, so hours
are an upper bound.
"""

from __future__ import annotations

from dataclasses import dataclass

from medcl.errors import UsageError
from medcl.pretrain.methods import MethodConfig
from medcl.pretrain.methods.barlow_twins import BarlowTwinsConfig
from medcl.pretrain.methods.moco import MoCoConfig
from medcl.pretrain.methods.moco_v3 import MoCoV3Config
from medcl.pretrain.methods.simclr import SimCLRConfig
from medcl.pretrain.methods.swav import SwAVConfig
from medcl.pretrain.methods.vicreg import VICRegConfig

FLOAT = 4
IDENTITY = 16
"""Bytes of one scan's identity: two int64."""


@dataclass(frozen=True)
class Rates:
    """What was measured, for one process.

    Attributes:
        trained_per_s: scans (both views) that the network trains on in a second.
        viewed_per_s: scans (both views) that the loader delivers in a second.
        wire_bytes_per_s: bytes that a process sends in a second while all send.
    """

    trained_per_s: float
    viewed_per_s: float
    wire_bytes_per_s: float


@dataclass(frozen=True)
class Plan:
    """The cost of a run; memory and traffic are those of one process.

    Attributes:
        steps: optimizer steps of the whole run.
        queue_bytes: memory of past embeddings.
        gather_bytes: embeddings of all processes, while a loss is computed.
        matrix_bytes: the largest matrix of a loss: similarities, codes or correlations.
        gradient_wire_bytes: sent a step to average the parameters' gradients.
        method_wire_bytes: sent a step by the method itself.
        compute_s: seconds of a step at the slower of network and loader.
        wire_s: seconds of a step spent sending.
        hours: of the whole run.
        bound: what a step waits for most: "network", "views" or "wire".
    """

    steps: int
    queue_bytes: int
    gather_bytes: int
    matrix_bytes: int
    gradient_wire_bytes: int
    method_wire_bytes: int
    compute_s: float
    wire_s: float
    hours: float
    bound: str


def plan(
    config: MethodConfig,
    parameters: int,
    scans: int,
    epochs: int,
    batch_size: int,
    processes: int,
    rates: Rates,
) -> Plan:
    """Compute what a run costs.

    Args:
        config: the method and its settings.
        parameters: trained parameters of encoder and heads.
        scans: in the data.
        epochs: passes over them.
        batch_size: scans of a step over all processes.
        processes: W, one a GPU.
        rates: measured speeds of one process.

    Raises:
        UsageError: the batch does not divide over the processes, or is larger than the data.
    """
    if batch_size % processes or batch_size > scans:
        raise UsageError(
            f"batch_size={batch_size} must be a multiple of {processes} processes and at most {scans} scans"
        )
    queue, gathered, matrix, sent = _method(config, batch_size, processes)
    gradients = _sum(parameters * FLOAT, processes)
    own = batch_size / processes
    network_s, views_s = own / rates.trained_per_s, own / rates.viewed_per_s
    wire_s = (gradients + sent) / rates.wire_bytes_per_s
    steps = epochs * (scans // batch_size)
    waits = {"network": network_s, "views": views_s, "wire": wire_s}
    compute_s = max(network_s, views_s)
    return Plan(
        steps=steps,
        queue_bytes=queue,
        gather_bytes=gathered,
        matrix_bytes=matrix,
        gradient_wire_bytes=gradients,
        method_wire_bytes=sent,
        compute_s=compute_s,
        wire_s=wire_s,
        hours=steps * (compute_s + wire_s) / 3600,
        bound=max(waits, key=lambda name: waits[name]),
    )


def describe(planned: Plan) -> str:
    """Return the plan as lines that a person reads."""
    return "\n".join(
        [
            f"{planned.steps:,} steps, {planned.hours:.1f} h; a step waits most for the {planned.bound}",
            f"a step: {planned.compute_s:.3f} s computing, {planned.wire_s:.3f} s sending (not overlapped)",
            f"memory a process: queue {_size(planned.queue_bytes)}, gathered embeddings "
            f"{_size(planned.gather_bytes)}, loss matrix {_size(planned.matrix_bytes)}",
            f"sent a process and step: gradients {_size(planned.gradient_wire_bytes)}, method "
            f"{_size(planned.method_wire_bytes)}",
        ]
    )


def _method(config: MethodConfig, batch: int, processes: int) -> tuple[int, int, int, int]:
    """Return bytes of queue, gathered embeddings and loss matrix, and bytes sent a step."""
    own, identities = batch // processes, _gather(batch * IDENTITY, processes)
    match config:
        case SimCLRConfig():
            both = 2 * batch * config.projection * FLOAT
            sent = _gather(both, processes) + _sum(both, processes) + 2 * identities
            return 0, both, 2 * own * 2 * batch * FLOAT, sent
        case MoCoConfig():
            keys = batch * config.projection * FLOAT
            queue = config.queue * (config.projection * FLOAT + IDENTITY)
            return queue, keys, own * config.queue * FLOAT, _gather(keys, processes) + identities
        case MoCoV3Config():
            keys = batch * config.projection * FLOAT
            return 0, 2 * keys, own * batch * FLOAT, 2 * _gather(keys, processes) + 2 * identities
        case SwAVConfig():
            both = 2 * batch * config.projection * FLOAT
            queue = config.queue * (2 * config.projection * FLOAT + IDENTITY)
            scores = (batch + config.queue) * config.prototypes * FLOAT
            queued = _gather(both, processes) + identities if config.queue else 0
            return queue, both, scores, _gather(both, processes) + queued
        case BarlowTwinsConfig():
            correlations = config.dimensions**2 * FLOAT
            return 0, 0, correlations, _sum(correlations, processes)
        case VICRegConfig():
            covariances = 2 * config.dimensions**2 * FLOAT
            return 0, 0, covariances, _sum(covariances, processes)
        case _:
            return 0, 0, 0, 0


def _sum(size: int, processes: int) -> int:
    return 2 * size * (processes - 1) // processes


def _gather(size: int, processes: int) -> int:
    return size * (processes - 1) // processes


def _size(count: int) -> str:
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"
