"""Time, processor time and peak memory of a cell."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from medcl.finetune import resources as meter
from medcl.finetune.resources import Meter
from medcl.study.run import _with_energy


def test_the_peak_is_that_of_the_block_and_not_of_what_came_before() -> None:
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("the peak is read from Linux's /proc")
    with Meter() as large:
        np.ones(25_000_000).sum()
    with Meter() as small:
        pass
    assert large.peak_mib is not None
    assert small.peak_mib is not None
    assert 150 < large.peak_mib - small.peak_mib < 300


def test_sleep_takes_time_and_no_processor() -> None:
    with Meter() as slept:
        time.sleep(0.2)
    with Meter() as worked:
        while time.process_time() < worked._begun[1] + 0.1:
            pass
    assert slept.seconds >= 0.2
    assert slept.processor_seconds < 0.1
    assert worked.processor_seconds >= 0.1


def test_without_proc_the_peak_is_unknown_and_the_work_goes_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(meter, "HERE", tmp_path / "nowhere")
    with Meter() as told:
        pass
    assert told.peak_mib is None
    assert told.seconds >= 0


def test_energy_is_processor_time_times_watts() -> None:
    costs = _with_energy(pd.DataFrame({"processor_seconds": [7200.0, np.nan]}), watts_per_core=15)
    assert costs["energy_wh"][0] == 30
    assert np.isnan(costs["energy_wh"][1])
    assert "energy_wh" not in _with_energy(pd.DataFrame({"seconds": [1.0]}), 15)
