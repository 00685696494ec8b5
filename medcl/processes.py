"""Pools of worker processes on this machine, which end with the work or soon after their parent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from loky.process_executor import BrokenProcessPool, ProcessPoolExecutor

__all__ = ["BrokenProcessPool", "worker_pool"]

IDLE_S = 60
"""Seconds without work after which a process ends, so that none outlives a killed parent for long."""


@contextmanager
def worker_pool(
    workers: int, initializer: Callable[..., None] | None = None, arguments: tuple[Any, ...] = ()
) -> Iterator[ProcessPoolExecutor]:
    """Open a pool of processes; on leaving, processes that still work are killed.

    When a process dies, unfinished results raise `BrokenProcessPool` at once.

    Args:
        workers: Number of processes.
        initializer: Called in each process before its first task.
        arguments: Arguments of `initializer`.
    """
    pool = ProcessPoolExecutor(workers, timeout=IDLE_S, initializer=initializer, initargs=arguments)
    try:
        yield pool
    finally:
        pool.shutdown(kill_workers=True)
