"""JPEG 2000 through imagecodecs gives the stored values."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pydicom.pixels import get_decoder
from pydicom.uid import JPEG2000, JPEG2000Lossless, JPEGLSLossless

from medcl.archive.dicom.pixels import jpeg2000

imagecodecs = pytest.importorskip("imagecodecs")


class Runner(SimpleNamespace):
    """The part of pydicom's runner that a decoder sets."""

    def set_option(self, name: str, value: Any) -> None:
        setattr(self, name, value)


def test_only_jpeg_2000_is_offered_and_only_once() -> None:
    assert jpeg2000.is_available(JPEG2000Lossless)
    assert not jpeg2000.is_available(JPEGLSLossless)
    jpeg2000.register()
    jpeg2000.register()
    for syntax in (JPEG2000, JPEG2000Lossless):
        assert get_decoder(syntax).available_plugins.count("imagecodecs") == 1


def test_without_imagecodecs_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jpeg2000, "find_spec", lambda _: None)
    assert not jpeg2000.is_available(JPEG2000)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16])
def test_gray_values_come_back_little_endian(dtype: type) -> None:
    values = np.random.default_rng(0).integers(0, 200, (12, 9)).astype(dtype)
    runner: Any = Runner(photometric_interpretation="MONOCHROME2")
    content = jpeg2000._decode_frame(imagecodecs.jpeg2k_encode(values, level=0), runner)
    np.testing.assert_array_equal(
        np.frombuffer(content, values.dtype.newbyteorder("<")).reshape(12, 9), values
    )
    assert runner.bits_allocated == 8 * values.dtype.itemsize
    assert runner.photometric_interpretation == "MONOCHROME2"


@pytest.mark.parametrize("color", ["YBR_RCT", "YBR_ICT", "RGB"])
def test_color_is_rgb_once_decoded(color: str) -> None:
    values = np.random.default_rng(0).integers(0, 255, (8, 8, 3)).astype(np.uint8)
    runner: Any = Runner(photometric_interpretation=color)
    content = jpeg2000._decode_frame(imagecodecs.jpeg2k_encode(values, level=0), runner)
    assert runner.photometric_interpretation == "RGB"
    np.testing.assert_array_equal(np.frombuffer(content, np.uint8).reshape(8, 8, 3), values)
