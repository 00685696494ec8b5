"""The header stage on a Dask cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from medcl.archive.ledger.examine import FileOutcome, crashed, examine_all
from medcl.archive.storage.walk import Entry
from medcl.cluster import on_cluster


def examined_on_cluster(batches: Iterable[list[Entry]], scheduler: str) -> Iterator[list[FileOutcome]]:
    """Yield the outcomes of each entry; a file that kills every worker that opens it is CRASHED."""
    for outcomes in on_cluster(examine_all, batches, scheduler, _one_by_one):
        yield from outcomes


def _one_by_one(
    batch: list[Entry], examined: Callable[[list[Entry]], list[list[FileOutcome]]]
) -> list[list[FileOutcome]]:
    from distributed import KilledWorker

    found = []
    for entry in batch:
        try:
            found += examined([entry])
        except KilledWorker:
            found.append([crashed(entry)])
    return found
