"""Time, processor time and peak memory of a block of code."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from medcl.finetune import resources
from medcl.finetune.resources import ResourceMonitor


def test_the_peak_is_that_of_the_block_and_not_of_what_came_before() -> None:
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("the peak is read from Linux's /proc")
    with ResourceMonitor() as large:
        np.ones(25_000_000).sum()
    with ResourceMonitor() as small:
        pass
    assert large.peak_mib is not None
    assert small.peak_mib is not None
    assert 150 < large.peak_mib - small.peak_mib < 300


def test_sleep_takes_time_and_no_processor() -> None:
    with ResourceMonitor() as slept:
        time.sleep(0.2)
    with ResourceMonitor() as worked:
        while time.process_time() < worked._start[1] + 0.1:
            pass
    assert slept.seconds >= 0.2
    assert slept.processor_seconds < 0.1
    assert worked.processor_seconds >= 0.1


def test_without_proc_the_peak_is_unknown_and_the_work_goes_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(resources, "PROC", tmp_path / "nowhere")
    with ResourceMonitor() as resources_used:
        pass
    assert resources_used.peak_mib is None
    assert resources_used.seconds >= 0
