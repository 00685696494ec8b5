"""Processes that start at once, from a server that has imported medcl for all of them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path

import psutil
import pytest
import torch
from loky.process_executor import ProcessPoolExecutor

from medcl.cli import main

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["pytest", "medcl.cli", "medcl.study.run", "tests.killable"])


def start(*words: object, errors: Path | None = None, environment: Mapping[str, str] = {}) -> BaseProcess:
    """Start a command of medcl, on one thread.

    Args:
        words: The command and its arguments.
        errors: File for what it writes to standard error.
        environment: Variables to set in the process.
    """
    return start_function(_command, [str(word) for word in words], errors, dict(environment))


def start_function(target: Callable[..., None], *arguments: object) -> BaseProcess:
    """Call a function in a process of its own."""
    process = PROCESSES.Process(target=_call, args=(dict(os.environ), target, *arguments))
    process.start()
    return process


def _call(environment: Mapping[str, str], target: Callable[..., None], *arguments: object) -> None:
    """Call a function with the variables of the process that asks; the server has those of its start."""
    os.environ.clear()
    os.environ.update(environment)
    target(*arguments)


def start_server() -> None:
    """Wait for the server's imports, which else are in the time of the first process."""
    process = start("--help")
    process.join()
    assert process.exitcode == 0


def kill(process: BaseProcess) -> None:
    """Kill a process, which must not have failed before."""
    process.kill()
    process.join()
    assert process.exitcode in (-signal.SIGKILL, 0)


def pools_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the server start the worker processes of every pool, which else import medcl one by one."""
    monkeypatch.setattr("medcl.processes.ProcessPoolExecutor", _pool)


def _pool(
    workers: int, initializer: Callable[..., None] | None, initargs: tuple[object, ...], timeout: int
) -> ProcessPoolExecutor:
    arguments = (dict(os.environ), initializer or _nothing, *initargs)
    return ProcessPoolExecutor(
        workers, context=PROCESSES, timeout=timeout, initializer=_call, initargs=arguments
    )


def _nothing() -> None:
    pass


def started() -> list[psutil.Process]:
    """Return the processes that the server started and that still run."""
    this = psutil.Process()
    return [child for child in this.children(recursive=True) if child.ppid() != this.pid]


def _command(words: list[str], errors: Path | None, environment: dict[str, str]) -> None:
    torch.set_num_threads(1)
    os.environ.update(environment)
    if errors is not None:
        os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT), sys.stderr.fileno())
    sys.argv = ["medcl", *words]
    main()
