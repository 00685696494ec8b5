"""How a command ends: its exit code, and one line on standard error for each kind of failure."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from medcl import __version__
from medcl.cli import app
from medcl.errors import UsageError, WorkFailed
from tests.cli.in_process import error_line, medcl

COMMANDS = ("scan", "convert", "prepare", "views", "audit", "pretrain", "study", "tissue", "predict",
            "review", "demo")  # fmt: skip


def failing(error: BaseException) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


@pytest.fixture
def demo_raises(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Let `medcl demo` end with an error."""
    return lambda error: monkeypatch.setattr("medcl.demo.run.run_demo", failing(error))


def test_the_version_is_the_package_s() -> None:
    assert medcl("--version") == (0, f"medcl {__version__}\n", "")


def test_help_lists_every_command() -> None:
    listing = medcl("--help").out
    assert {command.name or command.callback.__name__ for command in app.registered_commands} == set(COMMANDS)
    assert all(f"  {command} " in listing for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(command: str) -> None:
    ended = medcl(command, "--help")
    assert ended.code == 0
    assert f"Example: medcl {command}" in ended.out


@pytest.mark.parametrize(
    ("args", "fault"),
    [
        (["scna"], "No such command 'scna'"),
        (["scan"], "Missing argument"),
        (["scan", "a", "--nonsense"], "No such option: --nonsense"),
        (["scan", "a", "-o", "b", "--workers", "0"], "Invalid value for '--workers'"),
        (["convert", "catalog"], "Missing option"),
    ],
)
def test_a_wrong_command_line_is_exit_code_2(args: list[str], fault: str) -> None:
    ended = medcl(*args)
    assert ended.code == 2
    assert fault in ended.err


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (UsageError("x: no such thing; name another"), 2, "x: no such thing; name another"),
        (WorkFailed("the loss is not finite"), 1, "the loss is not finite"),
        (OSError(28, "No space left on device", "/data/Jane_Doe.dcm"), 2,
         "No space left on device; check that the output is writable and the disk is not full"),
        (OSError(), 2, "OSError; check that the output is writable and the disk is not full"),
    ],
)  # fmt: skip
def test_an_error_is_one_line_and_its_exit_code(
    demo_raises: Callable[[BaseException], None], error: BaseException, code: int, line: str
) -> None:
    demo_raises(error)
    ended = medcl("demo")
    assert (ended.code, error_line(ended)) == (code, line)


def test_a_reader_that_closes_the_output_is_no_error(
    demo_raises: Callable[[BaseException], None],
) -> None:
    demo_raises(BrokenPipeError())
    assert medcl("demo") == (0, "", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_command_with_its_code_and_the_way_to_resume(
    monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    monkeypatch.setattr("medcl.demo.run.run_demo", lambda _: os.kill(os.getpid(), number))
    handler = signal.getsignal(number)
    ended = medcl("demo")
    assert ended.code == 128 + number
    assert error_line(ended) == "stopped; finished work is kept: run the same command again to resume"
    assert signal.getsignal(number) is handler


def test_an_error_in_medcl_itself_is_not_hidden(demo_raises: Callable[[BaseException], None]) -> None:
    demo_raises(KeyError("bug"))
    with pytest.raises(KeyError, match="bug"):
        medcl("demo")


def test_a_result_goes_to_standard_output_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("medcl.demo.run.run_demo", lambda _: SimpleNamespace(answer="Yes."))
    ended = medcl("demo", "-o", tmp_path)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("(synthetic patients) Yes.\n")
