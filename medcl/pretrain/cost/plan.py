"""The cost of a run before it starts: memory, bytes on the wire, hours. Arithmetic only.

Each method's configuration states the cost of its loss (`MethodConfig.cost`). Not counted are batch-norm
statistics (a few kB per layer) and the overlap of sending with computing, so hours are an upper bound.
"""

from __future__ import annotations

from dataclasses import dataclass

from medcl.errors import UsageError
from medcl.pretrain.methods import MethodConfig
from medcl.pretrain.methods.method_cost import FLOAT_BYTES, all_reduce_bytes


@dataclass(frozen=True)
class Rates:
    """Speeds of one process.

    Attributes:
        trained_per_s: Scans (both views) per second that the network trains on.
        viewed_per_s: Scans (both views) per second that the loader delivers.
        wire_bytes_per_s: Bytes per second that a process sends while all send.
    """

    trained_per_s: float
    viewed_per_s: float
    wire_bytes_per_s: float


@dataclass(frozen=True)
class Plan:
    """Cost of a run; memory and traffic are those of one process.

    Attributes:
        steps: Optimizer steps of the whole run.
        queue_bytes: Memory of past embeddings.
        gather_bytes: Embeddings of all processes, while the loss is computed.
        matrix_bytes: Largest matrix of the loss: similarities, codes or correlations.
        small_view_bytes: Embeddings and scores of small views (multi-crop).
        gradient_wire_bytes: Sent per step to average the gradients of the parameters.
        method_wire_bytes: Sent per step by the collectives of the method.
        compute_s: Seconds per step at the slower of network and loader.
        wire_s: Seconds per step spent sending.
        hours: Duration of the whole run.
        bound: The slowest part of a step: "network", "views" or "wire".
    """

    steps: int
    queue_bytes: int
    gather_bytes: int
    matrix_bytes: int
    small_view_bytes: int
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
    small_views: int = 0,
) -> Plan:
    """Compute the cost of a run.

    Args:
        config: Configuration of the method.
        parameters: Number of trained parameters of encoder and heads.
        scans: Number of scans in the data.
        epochs: Passes over the scans.
        batch_size: Scans per step over all processes.
        processes: Number W of processes, one per GPU.
        rates: Speeds of one process.
        small_views: Small views per scan (multi-crop).

    Raises:
        UsageError: The batch does not divide over the processes, or is larger than the data.
    """
    if batch_size % processes or batch_size > scans:
        raise UsageError(
            f"batch_size={batch_size} must be a multiple of {processes} processes and at most {scans} scans"
        )
    method = config.cost(batch_size, processes)
    gradients = all_reduce_bytes(parameters * FLOAT_BYTES, processes)
    scans_per_process = batch_size / processes
    network_s, views_s = scans_per_process / rates.trained_per_s, scans_per_process / rates.viewed_per_s
    wire_s = (gradients + method.wire_bytes) / rates.wire_bytes_per_s
    steps = epochs * (scans // batch_size)
    seconds = {"network": network_s, "views": views_s, "wire": wire_s}
    compute_s = max(network_s, views_s)
    return Plan(
        steps=steps,
        queue_bytes=method.queue_bytes,
        gather_bytes=method.gather_bytes,
        matrix_bytes=method.matrix_bytes,
        small_view_bytes=config.small_view_bytes(batch_size // processes, small_views),
        gradient_wire_bytes=gradients,
        method_wire_bytes=method.wire_bytes,
        compute_s=compute_s,
        wire_s=wire_s,
        hours=steps * (compute_s + wire_s) / 3600,
        bound=max(seconds, key=lambda name: seconds[name]),
    )


def describe(planned: Plan) -> str:
    """Return the plan as lines of text."""
    small = f", small views {size_text(planned.small_view_bytes)}" if planned.small_view_bytes else ""
    return "\n".join(
        [
            f"{planned.steps:,} steps, {planned.hours:.1f} h; the slowest part of a step: {planned.bound}",
            f"per step: {planned.compute_s:.3f} s computing, {planned.wire_s:.3f} s sending (not overlapped)",
            f"memory of the loss per process: queue {size_text(planned.queue_bytes)}, gathered embeddings "
            f"{size_text(planned.gather_bytes)}, loss matrix {size_text(planned.matrix_bytes)}{small}",
            f"sent per process and step: gradients {size_text(planned.gradient_wire_bytes)}, method "
            f"{size_text(planned.method_wire_bytes)}",
        ]
    )


def size_text(count: int) -> str:
    """Return a number of bytes with its unit."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"
