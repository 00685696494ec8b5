"""The header stage in several processes of this machine; a process that dies does not end the run."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future
from itertools import islice

from loky.process_executor import ProcessPoolExecutor

from medcl.archive.ledger.examine import FileOutcome, crashed, examine_all
from medcl.archive.storage.walk import Entry
from medcl.processes import BrokenProcessPool, worker_pool

BATCHES_PER_WORKER = 4
"""Batches per process that are submitted at once."""


def examine_in_processes(batches: Iterable[list[Entry]], workers: int) -> Iterator[list[FileOutcome]]:
    """Yield the outcomes of each entry, in their order, with a bounded number of submitted batches.

    When a process dies, the submitted batches are examined again, one at a time in a separate process; a file
    that kills every process that opens it is quarantined as CRASHED.
    """
    remaining = iter(batches)
    while suspects := (yield from _examine_until_crash(remaining, workers)):
        for batch in suspects:
            yield from _examine_alone(batch)


def _examine_until_crash(
    remaining: Iterator[list[Entry]], workers: int
) -> Generator[list[FileOutcome], None, list[list[Entry]]]:
    """Yield outcomes until all is done or a process dies; return the batches that were submitted then."""
    with worker_pool(workers) as pool:
        first = islice(remaining, BATCHES_PER_WORKER * workers)
        running = deque((batch, _submit(pool, batch)) for batch in first)
        while running:
            try:
                outcomes = running[0][1].result()
            except BrokenProcessPool:
                return [batch for batch, _ in running]
            running.popleft()
            running.extend((batch, _submit(pool, batch)) for batch in islice(remaining, 1))
            yield from outcomes
    return []


def _examine_alone(batch: list[Entry]) -> list[list[FileOutcome]]:
    """Examine a batch in a separate process, and its halves if that process dies, too."""
    with worker_pool(1) as pool:
        try:
            return _submit(pool, batch).result()
        except BrokenProcessPool:
            pass
    if len(batch) == 1:
        return [[crashed(batch[0])]]
    half = len(batch) // 2
    return [*_examine_alone(batch[:half]), *_examine_alone(batch[half:])]


def _submit(pool: ProcessPoolExecutor, batch: list[Entry]) -> Future[list[list[FileOutcome]]]:
    """Submit a batch to a pool; with a broken pool, the error is in the future that is returned."""
    try:
        future: Future[list[list[FileOutcome]]] = pool.submit(examine_all, batch)
        return future
    except BrokenProcessPool as error:
        failed: Future[list[list[FileOutcome]]] = Future()
        failed.set_exception(error)
        return failed
