"""The errors that a user ever sees, each one line that names the thing, the fault and the way out."""

from __future__ import annotations


class MedclError(Exception):
    """A fault that is reported as one line, without a traceback."""

    exit_code = 1


class UsageError(MedclError):
    """The request or its input cannot be carried out as given; nothing was written (exit code 2)."""

    exit_code = 2


class WorkFailed(MedclError):
    """The work ran and found a failure, such as a loss that is not finite (exit code 1)."""

    exit_code = 1


class Interrupted(MedclError):
    """The work was asked to stop; what was finished is kept (exit code 128 + the signal's number)."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + number
