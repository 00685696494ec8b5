"""Time, processor time and memory that a block of code takes."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

PROC = Path("/proc/self")


class ResourceMonitor:
    """Measures this process while a `with` block runs.

    Attributes:
        seconds: Elapsed wall-clock time.
        processor_seconds: Processor time of all threads of the process.
        peak_mib: Peak resident memory, mapped scans included; None where it cannot be read (systems other
            than Linux).
    """

    seconds: float
    processor_seconds: float
    peak_mib: float | None

    def __enter__(self) -> ResourceMonitor:
        with suppress(OSError):
            (PROC / "clear_refs").write_text("5")  # proc(5): the peak starts anew from what is resident now
        self._start = time.monotonic(), time.process_time()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        wall, processor = self._start
        self.seconds, self.processor_seconds = time.monotonic() - wall, time.process_time() - processor
        self.peak_mib = _peak_mib()


def _peak_mib() -> float | None:
    with suppress(OSError):
        for line in (PROC / "status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return None
