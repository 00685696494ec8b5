"""Worker processes of this machine, none of which outlives the work or its parent for long."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from loky.process_executor import BrokenProcessPool, ProcessPoolExecutor

__all__ = ["BrokenProcessPool", "worker_pool"]

IDLE_S = 60
"""After which a process without work ends, so that none outlives a parent that was killed."""


@contextmanager
def worker_pool(
    workers: int, start: Callable[..., None] | None = None, told: tuple[Any, ...] = ()
) -> Iterator[ProcessPoolExecutor]:
    """Open a pool of processes, each begun by `start(*told)`; on leaving, those still at work are killed.

    When a process dies, results that were not there yet raise `BrokenProcessPool` at once.
    """
    pool = ProcessPoolExecutor(workers, timeout=IDLE_S, initializer=start, initargs=told)
    try:
        yield pool
    finally:
        pool.shutdown(kill_workers=True)
