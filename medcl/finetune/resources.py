"""What a piece of work takes: time, processor time, memory."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

HERE = Path("/proc/self")


class Meter:
    """Measures this process while a `with` block runs.

    Attributes:
        seconds: on the clock.
        processor_seconds: of all threads of the process.
        peak_mib: most resident memory meanwhile, mapped scans included; None where it cannot be read (other
            systems than Linux).
    """

    seconds: float
    processor_seconds: float
    peak_mib: float | None

    def __enter__(self) -> Meter:
        with suppress(OSError):
            (HERE / "clear_refs").write_text("5")  # proc(5): the peak starts anew from what is resident now
        self._begun = time.monotonic(), time.process_time()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        wall, processor = self._begun
        self.seconds, self.processor_seconds = time.monotonic() - wall, time.process_time() - processor
        self.peak_mib = _peak_mib()


def _peak_mib() -> float | None:
    with suppress(OSError):
        for line in (HERE / "status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return None
