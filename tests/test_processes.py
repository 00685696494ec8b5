"""Pools of processes: order, errors, and tasks that kill their process."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

import pytest

from medcl.processes import TASKS_PER_PROCESS, BrokenProcessPool, in_processes, worker_pool


def square(number: int) -> int:
    time.sleep(0.01 * (number % 3))
    return number * number


def dies_of_13(number: int) -> int:
    if number == 13:
        os._exit(1)
    return number * number


def fails_at_2(number: int) -> int:
    if number == 2:
        raise ValueError(f"task {number}")
    return number


def unexpected(*_: object) -> int:
    raise AssertionError("no task killed its process")


def test_results_come_in_the_order_of_the_tasks_which_are_read_as_needed() -> None:
    read: list[int] = []

    def tasks() -> Iterator[int]:
        for number in range(20):
            read.append(number)
            yield number

    results = in_processes(square, tasks(), 2, unexpected)
    assert next(results) == 0
    assert len(read) == 2 * TASKS_PER_PROCESS + 1
    assert list(results) == [number * number for number in range(1, 20)]


def test_a_task_that_kills_its_process_is_handed_over_and_loses_no_other() -> None:
    handed: list[int] = []

    def after_death(task: int, alone: Callable[[int], int]) -> int:
        handed.append(task)
        with pytest.raises(BrokenProcessPool):
            alone(task)
        return -alone(3)

    assert list(in_processes(dies_of_13, [0, 13, 2], 1, after_death)) == [0, -9, 4]
    assert handed == [13]


def test_an_exception_of_a_task_reaches_the_caller() -> None:
    results = in_processes(fails_at_2, range(4), 1, unexpected)
    with pytest.raises(ValueError, match="task 2"):
        list(results)


def test_no_task_is_no_result() -> None:
    assert list(in_processes(square, [], 2, unexpected)) == []


def test_processes_are_prepared_and_end_with_the_pool() -> None:
    with worker_pool(1, os.putenv, ("MEDCL_TEST", "prepared")) as pool:
        process = pool.submit(os.getpid).result()
        assert process != os.getpid()
        assert pool.submit(os.popen, "true").exception() is not None  # its result cannot be pickled
        assert pool.submit(os.system, 'test "$MEDCL_TEST" = prepared').result() == 0
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
