"""Pools of worker processes on this machine, which end with the work or soon after their parent."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from itertools import islice
from typing import Any, TypeVar

from loky.process_executor import BrokenProcessPool, ProcessPoolExecutor

__all__ = ["BrokenProcessPool", "in_processes", "worker_pool"]

Task = TypeVar("Task")
Result = TypeVar("Result")

TASKS_PER_PROCESS = 2
"""Tasks that are under way at once for each process: one that works and one that waits."""

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


def in_processes(
    work: Callable[[Task], Result],
    tasks: Iterable[Task],
    workers: int,
    after_death: Callable[[Task, Callable[[Task], Result]], Result],
) -> Iterator[Result]:
    """Yield `work(task)` for each task, in order, with a bounded number under way.

    When a process dies, the tasks that were under way are done again, each in a process of its own.

    Args:
        work: Function to run; tasks and results are pickled.
        tasks: Any number of tasks, read as they are submitted.
        workers: Number of processes.
        after_death: Returns the result of a task that killed its own process, too. Its second argument runs a
            smaller task in a process of its own, and raises `BrokenProcessPool` when that kills it.
    """
    remaining = iter(tasks)

    def alone(task: Task) -> Result:
        with worker_pool(1) as pool:
            result: Result = pool.submit(work, task).result()
            return result

    while unfinished := (yield from _until_one_dies(work, remaining, workers)):
        for task in unfinished:
            try:
                result = alone(task)
            except BrokenProcessPool:
                result = after_death(task, alone)
            yield result


def _until_one_dies(
    work: Callable[[Task], Result], remaining: Iterator[Task], workers: int
) -> Generator[Result, None, list[Task]]:
    """Yield results until all is done or a process dies; return the tasks that were under way then."""
    with worker_pool(workers) as pool:

        def submit(task: Task) -> tuple[Task, Future[Result]]:
            try:
                return task, pool.submit(work, task)
            except BrokenProcessPool as error:  # its result will say so
                failed: Future[Result] = Future()
                failed.set_exception(error)
                return task, failed

        running = deque(map(submit, islice(remaining, TASKS_PER_PROCESS * workers)))
        while running:
            try:
                result = running[0][1].result()
            except BrokenProcessPool:
                return [task for task, _ in running]
            running.popleft()
            running.extend(map(submit, islice(remaining, 1)))
            yield result
    return []
