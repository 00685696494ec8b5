"""The first signal asks, the second acts."""

from __future__ import annotations

import os
import signal

import pytest

from medcl.errors import Interrupted
from medcl.runs.signals import stop_requests


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_a_request(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with stop_requests() as stop:
        assert stop.number is None
        os.kill(os.getpid(), number)
        assert stop.number == number
    assert signal.getsignal(number) is before


def test_the_second_signal_acts_at_once() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # test runners set their own
    try:
        with stop_requests() as stop:
            os.kill(os.getpid(), signal.SIGINT)
            assert stop.number == signal.SIGINT
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_interruption_ends_as_the_signal_would() -> None:
    assert Interrupted("saved", signal.SIGTERM).exit_code == 143
