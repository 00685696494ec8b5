"""A Dask cluster in this process: order, tasks that kill, and addresses that are wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest

from medcl import cluster
from medcl.errors import UsageError

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=":0", silence_logs=50
    ) as running:
        yield running.scheduler_address


def square(number: int) -> int:
    return number * number


def killed_at_5(number: int) -> int:
    if number == 5:
        raise distributed.KilledWorker("task", SimpleNamespace(address="tcp://worker"), 3)
    return number


def unexpected(*_: object) -> int:
    raise AssertionError("no task killed its worker")


def test_results_come_in_the_order_of_the_tasks_which_are_read_as_needed(scheduler: str) -> None:
    read: list[int] = []

    def tasks() -> Iterator[int]:
        for number in range(30):
            read.append(number)
            yield number

    results = cluster.on_cluster(square, tasks(), scheduler, unexpected)
    assert next(results) == 0
    assert len(read) == 2 * cluster.TASKS_PER_THREAD + 1
    assert list(results) == [number * number for number in range(1, 30)]


def test_a_task_that_kills_its_workers_is_handed_over(scheduler: str) -> None:
    def after_death(task: int, again: Callable[[int], int]) -> int:
        return task * -1 + again(0)

    results = cluster.on_cluster(killed_at_5, range(8), scheduler, after_death)
    assert list(results) == [0, 1, 2, 3, 4, -5, 6, 7]


def test_an_exception_of_a_task_reaches_the_caller(scheduler: str) -> None:
    with pytest.raises(ZeroDivisionError):
        list(cluster.on_cluster(lambda number: 1 // number, [0], scheduler, unexpected))


@pytest.mark.parametrize(
    ("address", "line"),
    [
        ("host:8786", "host:8786: not an address of a Dask scheduler, such as tcp://host:8786"),
        ("tcp://127.0.0.1:9", "tcp://127.0.0.1:9: no Dask scheduler answers; start one with: dask scheduler"),
        ("gopher://host:1", "gopher://host:1: no Dask scheduler answers; start one with: dask scheduler"),
    ],
)
def test_a_wrong_address_is_one_line(monkeypatch: pytest.MonkeyPatch, address: str, line: str) -> None:
    monkeypatch.setattr(cluster, "CONNECT_S", 0.5)
    with pytest.raises(UsageError) as caught:
        list(cluster.on_cluster(square, [1], address, unexpected))
    assert str(caught.value) == line


def test_without_dask_the_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match=r"needs Dask: pip install 'medcl\[cluster\]'"):
        list(cluster.on_cluster(square, [1], "tcp://host:8786", unexpected))
