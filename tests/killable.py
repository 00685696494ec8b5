"""Commands in processes that can be killed, started by a server that has imported medcl for all of them."""

from __future__ import annotations

import multiprocessing
import signal
from multiprocessing.process import BaseProcess

import torch

from medcl.cli import app

_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["medcl.cli", "medcl.study.run", "tests.killable"])


def start(*words: object) -> BaseProcess:
    """Start a command of medcl, on one thread."""
    process = _PROCESSES.Process(target=_command, args=([str(word) for word in words],))
    process.start()
    return process


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


def _command(words: list[str]) -> None:
    torch.set_num_threads(1)
    app(words)
