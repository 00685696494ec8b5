"""The header stage on a Dask cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from medcl.archive.ledger.examine import FileOutcome, crashed, examine_all
from medcl.archive.storage.walk import Entry
from medcl.cluster import on_cluster


def examine_on_cluster(batches: Iterable[list[Entry]], scheduler: str) -> Iterator[list[FileOutcome]]:
    """Yield the outcomes of each entry; a file that kills every worker that opens it is CRASHED."""
    for outcomes in on_cluster(examine_all, batches, scheduler, _examine_separately):
        yield from outcomes


def _examine_separately(
    batch: list[Entry], examined: Callable[[list[Entry]], list[list[FileOutcome]]]
) -> list[list[FileOutcome]]:
    from distributed import KilledWorker

    outcomes_by_entry = []
    for entry in batch:
        try:
            outcomes_by_entry += examined([entry])
        except KilledWorker:
            outcomes_by_entry.append([crashed(entry)])
    return outcomes_by_entry
