"""Memory and traffic of a method's loss, from which the cost of a run is planned.

Collectives are counted as rings, as NCCL runs them: to sum n bytes over W processes, each sends
2 n (W - 1) / W; to gather n bytes in all, each sends n (W - 1) / W.
"""

from __future__ import annotations

from dataclasses import dataclass

FLOAT_BYTES = 4
"""Bytes of a float32, in which losses are computed and sent."""
IDENTITY_BYTES = 16
"""Bytes of the identity of a scan: scan and patient number, both int64."""


@dataclass(frozen=True, kw_only=True)
class MethodCost:
    """Bytes that a method needs in each process beside its networks and their gradients.

    Attributes:
        queue_bytes: Memory of past embeddings.
        gather_bytes: Embeddings of all processes that are held while the loss is computed.
        matrix_bytes: Largest matrix of the loss: similarities, codes or correlations.
        wire_bytes: Sent per step by the collectives of the method.
    """

    queue_bytes: int
    gather_bytes: int
    matrix_bytes: int
    wire_bytes: int


def all_reduce_bytes(size: int, processes: int) -> int:
    """Return the bytes that each of `processes` sends to sum `size` bytes over all of them."""
    return 2 * size * (processes - 1) // processes


def all_gather_bytes(size: int, processes: int) -> int:
    """Return the bytes that each of `processes` sends to gather `size` bytes in all."""
    return size * (processes - 1) // processes
