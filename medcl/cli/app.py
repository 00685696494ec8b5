"""The application that commands register with, its signals, and how errors end a command."""

from __future__ import annotations

import io
import signal
import sys
from types import FrameType
from typing import Annotated

import typer

from medcl import __version__
from medcl.errors import Interrupted, MedclError
from medcl.text import printable

app = typer.Typer(
    name="medcl",
    help="Contrastive pretraining and honest few-label evaluation for medical images. Research use only.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def main() -> None:
    """Run a command; an error is one line on standard error and an exit code of 1 or 2."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # no character of a name ends a command
        sys.stdout.reconfigure(errors="backslashreplace")
    handlers = {number: signal.signal(number, _interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        app()
    except MedclError as error:
        print(f"medcl: {printable(str(error))}", file=sys.stderr)
        sys.exit(error.exit_code)
    except BrokenPipeError:  # the reader of the output closed it, as `| head` does
        sys.stdout = None
    except OSError as error:  # without its file name, which may contain a patient's name
        reason = error.strerror or type(error).__name__
        print(f"medcl: {reason}; check that the output is writable and the disk is not full", file=sys.stderr)
        sys.exit(2)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _interrupt(number: int, _: FrameType | None) -> None:
    raise Interrupted("stopped; finished work is kept: run the same command again to resume", number)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"medcl {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    pass
