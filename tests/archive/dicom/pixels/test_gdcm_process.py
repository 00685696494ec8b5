"""A decoder that hangs costs one file and never the run."""

from __future__ import annotations

import os
import signal
import time

import pytest

from medcl.archive.dicom.pixels import gdcm_process as dicom_apart


def test_a_decoder_that_hangs_is_ended_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dicom_apart, "FRAME_S", 0.3)
    child = dicom_apart._child()
    os.kill(child.pid, signal.SIGSTOP)
    start = time.perf_counter()
    with pytest.raises(ValueError, match="not decoded"):
        dicom_apart.decode_apart("1.2.840.10008.1.2.4.70", b"x", {})
    assert time.perf_counter() - start < 2
    assert child.poll() is not None
    assert dicom_apart._child().pid != child.pid
