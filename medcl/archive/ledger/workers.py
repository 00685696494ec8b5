"""The header stage in several processes of this machine, none of which can end the run by dying."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future
from itertools import islice

from loky.process_executor import ProcessPoolExecutor

from medcl.archive.ledger.examine import FileOutcome, crashed, examine_all
from medcl.archive.storage.walk import Entry
from medcl.processes import BrokenProcessPool, worker_pool

WINDOW = 4
"""Batches a process that are under way at once."""


def examined_in_processes(batches: Iterable[list[Entry]], workers: int) -> Iterator[list[FileOutcome]]:
    """Yield the outcomes of each entry, in their order, with a bounded number of batches under way.

    When a process dies, what was under way is done again, a batch at a time in a process of its own; a file
    that ends every process that opens it is quarantined as CRASHED.
    """
    remaining = iter(batches)
    while suspects := (yield from _until_one_dies(remaining, workers)):
        for batch in suspects:
            yield from _alone(batch)


def _until_one_dies(
    remaining: Iterator[list[Entry]], workers: int
) -> Generator[list[FileOutcome], None, list[list[Entry]]]:
    """Yield outcomes until all is done or a process dies; return the batches that were under way then."""
    with worker_pool(workers) as pool:
        running = deque((batch, _submit(pool, batch)) for batch in islice(remaining, WINDOW * workers))
        while running:
            try:
                outcomes = running[0][1].result()
            except BrokenProcessPool:
                return [batch for batch, _ in running]
            running.popleft()
            running.extend((batch, _submit(pool, batch)) for batch in islice(remaining, 1))
            yield from outcomes
    return []


def _alone(batch: list[Entry]) -> list[list[FileOutcome]]:
    """Examine a batch in a process of its own, and halves of it where it dies again."""
    with worker_pool(1) as pool:
        try:
            return _submit(pool, batch).result()
        except BrokenProcessPool:
            pass
    if len(batch) == 1:
        return [[crashed(batch[0])]]
    half = len(batch) // 2
    return [*_alone(batch[:half]), *_alone(batch[half:])]


def _submit(pool: ProcessPoolExecutor, batch: list[Entry]) -> Future[list[list[FileOutcome]]]:
    """Hand a batch to a pool; to one that is broken, too, as its result will say."""
    try:
        return pool.submit(examine_all, batch)
    except BrokenProcessPool as error:
        failed: Future[list[list[FileOutcome]]] = Future()
        failed.set_exception(error)
        return failed
