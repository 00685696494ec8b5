"""Running a function over many tasks on a Dask cluster."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

from medcl.errors import UsageError

CONNECT_S = 20
TASKS_PER_THREAD = 4
Task = TypeVar("Task")
Result = TypeVar("Result")


def on_cluster(
    work: Callable[[Task], Result],
    tasks: Iterable[Task],
    scheduler: str,
    after_death: Callable[[Task, Callable[[Task], Result]], Result],
) -> Iterator[Result]:
    """Yield `work(task)` for each task, in order, with a bounded number submitted at a time.

    Tasks of a worker that dies are repeated on another worker.

    Args:
        work: Function to run; tasks and results are pickled.
        tasks: Any number of tasks, read as they are submitted.
        scheduler: Address, such as `tcp://host:8786`.
        after_death: Returns the result of a task that killed every worker which ran it. Its second argument
            runs a smaller task on the cluster, and raises `distributed.KilledWorker` when that kills, too.

    Raises:
        UsageError: Dask is not installed, or no scheduler answers at that address.
    """
    with _connected(scheduler) as client:
        from distributed import KilledWorker

        def submit(task: Task) -> Any:
            return client.submit(work, task, pure=False)

        remaining = iter(tasks)
        width = max(TASKS_PER_THREAD * sum(client.nthreads().values()), TASKS_PER_THREAD)
        running = deque((task, submit(task)) for task in islice(remaining, width))
        while running:
            task, future = running.popleft()
            try:
                result = future.result()
            except KilledWorker:
                result = after_death(task, lambda smaller: submit(smaller).result())
            running.extend((new, submit(new)) for new in islice(remaining, 1))
            yield result


def _connected(scheduler: str) -> Any:
    try:
        from distributed import Client
    except ImportError:
        raise UsageError("a Dask scheduler needs Dask: pip install 'medcl[cluster]'") from None
    if "://" not in scheduler:
        raise UsageError(f"{scheduler}: not an address of a Dask scheduler, such as tcp://host:8786")
    try:
        return Client(scheduler, timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError):
        raise UsageError(f"{scheduler}: no Dask scheduler answers; start one with: dask scheduler") from None
