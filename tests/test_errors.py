"""Exit codes of the errors that users see."""

from __future__ import annotations

import signal

import pytest

from medcl.errors import Interrupted, MedclError, UsageError, WorkFailed


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MedclError("fault"), 1),
        (WorkFailed("fault"), 1),
        (UsageError("fault"), 2),
        (Interrupted("fault", signal.SIGINT), 130),
        (Interrupted("fault", signal.SIGTERM), 143),
    ],
)
def test_every_error_has_its_exit_code_and_is_its_message(error: MedclError, code: int) -> None:
    assert error.exit_code == code
    assert str(error) == "fault"


def test_a_signal_does_not_change_the_code_of_later_ones() -> None:
    Interrupted("stopped", 15)
    assert Interrupted.exit_code == MedclError.exit_code == 1
