"""A decoder that hangs costs one file and never the run."""

from __future__ import annotations

import io
import os
import random
import signal
import time
from collections import Counter
from functools import partial

import pytest

from medcl.archive import dicom
from medcl.archive.dicom.pixels import gdcm_process as dicom_apart
from medcl.archive.flags import Rejected
from tests.archive.dicom.samples import WHEEL


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


def test_a_stream_that_kills_its_decoder_costs_one_scan_only() -> None:
    content = (WHEEL / "test_files" / "SC_rgb_jpeg_gdcm.dcm").read_bytes()
    start = content.rindex(b"\xe0\x7f\x10\x00OB")
    draw = random.Random(5)
    outcomes = Counter()
    for _ in range(60):
        broken = bytearray(content)
        for _ in range(3):
            broken[draw.randrange(start + 20, start + 220)] = draw.randrange(256)
        openers = [partial(io.BytesIO, bytes(broken))]
        try:
            outcomes[dicom.assemble(openers).array.shape] += 1
        except Rejected as verdict:
            outcomes[verdict.code] += 1
    assert outcomes["UNDECODABLE"] > 0
    assert dicom.assemble([partial(io.BytesIO, content)]).array.shape == (100, 100, 3)
