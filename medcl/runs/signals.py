"""Stopping at a safe point: the first signal is a request, the second acts at once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopRequest:
    """Request to stop a run, empty until a signal arrives.

    Attributes:
        number: Number of the signal that requested it, or None.
    """

    number: int | None = None


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Turn SIGINT and SIGTERM into a request that the work polls; a second signal acts at once."""
    request = StopRequest()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def request_stop(number: int, _: FrameType | None) -> None:
        request.number = number
        signal.signal(number, handlers[signal.Signals(number)])

    try:
        for number in handlers:
            signal.signal(number, request_stop)
        yield request
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
