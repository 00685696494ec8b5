"""The header stage on a Dask cluster: the same work, handed to workers on other machines."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from medcl.archive.examine import Outcome, examine_all
from medcl.archive.sources import Entry
from medcl.errors import UsageError

CONNECT_S = 20
BATCHES_A_THREAD = 4


def examined_on_cluster(batches: Iterable[list[Entry]], scheduler: str) -> Iterator[list[Outcome]]:
    """Yield the outcomes of each entry, in their order, with a bounded number of batches under way.

    Batches of a worker that dies are done by another; a file that kills every worker that opens it is
    quarantined as CRASHED.

    Raises:
        UsageError: Dask is not installed, or no scheduler answers at that address.
    """
    with _connected(scheduler) as client:
        width = max(BATCHES_A_THREAD * sum(client.nthreads().values()), BATCHES_A_THREAD)
        remaining = iter(batches)
        running = deque((batch, _submit(client, batch)) for batch in islice(remaining, width))
        while running:
            batch, future = running.popleft()
            yield from _result(client, batch, future)
            running.extend((batch, _submit(client, batch)) for batch in islice(remaining, 1))


def _connected(scheduler: str) -> Any:
    try:
        from distributed import Client
    except ImportError:
        raise UsageError("a Dask scheduler needs Dask: pip install 'medcl[cluster]'") from None
    try:
        return Client(scheduler, timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError):
        raise UsageError(f"{scheduler}: no Dask scheduler answers; start one with: dask scheduler") from None


def _submit(client: Any, batch: list[Entry]) -> Any:
    return client.submit(examine_all, batch, pure=False)


def _result(client: Any, batch: list[Entry], future: Any) -> list[list[Outcome]]:
    from distributed import KilledWorker

    try:
        outcomes: list[list[Outcome]] = future.result()
        return outcomes
    except KilledWorker:
        if len(batch) == 1:
            return [[Outcome(batch[0], "", batch[0].size, "quarantined", "CRASHED")]]
        return [found for entry in batch for found in _result(client, [entry], _submit(client, [entry]))]
