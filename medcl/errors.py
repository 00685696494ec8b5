"""Errors for the user: each is one line that names the object, the fault and the remedy."""

from __future__ import annotations


class MedclError(Exception):
    """Error that is reported as one line, without a traceback."""

    exit_code = 1


class UsageError(MedclError):
    """The command or its input is wrong; nothing was written (exit code 2)."""

    exit_code = 2


class WorkFailed(MedclError):
    """The work ran and failed, for example by a loss that is not finite (exit code 1)."""

    exit_code = 1


class Interrupted(MedclError):
    """The work was stopped by a signal; finished work is kept (exit code 128 + the signal's number)."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + number
