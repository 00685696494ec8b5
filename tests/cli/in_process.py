"""Running `medcl` in this process, as a shell would: arguments in, output and exit code out."""

from __future__ import annotations

import contextlib
import io
import sys
from typing import NamedTuple
from unittest import mock

from medcl.cli import main


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


def medcl(*args: object) -> Ended:
    """Run the command line and return its exit code and what it printed."""
    out, err = io.StringIO(), io.StringIO()
    code: int | str | None = 0
    arguments = mock.patch.object(sys, "argv", ["medcl", *map(str, args)])
    with arguments, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as ended:
            code = ended.code
    assert code is None or isinstance(code, int)
    return Ended(code or 0, out.getvalue(), err.getvalue())


def error_line(ended: Ended) -> str:
    """Return the one line that a refused command printed, without `medcl: `."""
    (line,) = [line for line in ended.err.splitlines() if line.startswith("medcl: ")]
    assert "Traceback" not in ended.err
    return line.removeprefix("medcl: ")
