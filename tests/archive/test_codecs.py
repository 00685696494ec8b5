"""A compressed stream of another shape than the header's is refused, not pressed into it."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, JPEGLSLossless

from medcl.archive import dicom
from medcl.archive.dicom_codecs import picture_size
from medcl.archive.flags import Rejected
from medcl.testing import phantom

PIXELS = np.arange(32 * 48, dtype=np.uint8).reshape(32, 48)


def compressed(syntax: str) -> bytes:
    if syntax == JPEGBaseline8Bit:
        stream = io.BytesIO()
        Image.fromarray(PIXELS).save(stream, "JPEG")
        return stream.getvalue()
    ds = phantom.image(PIXELS)
    ds.compress(syntax)
    return next(generate_frames(ds.PixelData, number_of_frames=1))


def assembled(stream: bytes, syntax: str, rows: int, columns: int) -> np.ndarray:
    ds = phantom.put(phantom.image(np.zeros((rows, columns), np.uint8)), RescaleIntercept=0)
    ds.PixelData = encapsulate([stream])
    ds["PixelData"].is_undefined_length = True
    ds.file_meta.TransferSyntaxUID = syntax
    return dicom.assemble([lambda: io.BytesIO(phantom.encoded(ds))]).array


@pytest.mark.parametrize("syntax", [JPEGBaseline8Bit, JPEGLSLossless, JPEG2000Lossless])
def test_a_stream_of_another_shape_is_refused(syntax: str) -> None:
    stream = compressed(syntax)
    assert picture_size(stream) == (32, 48)
    assert np.abs(assembled(stream, syntax, 32, 48).astype(int) - PIXELS).max() <= 20
    for rows, columns in ((48, 32), (16, 96)):
        with pytest.raises(Rejected, match="BAD_HEADER"):
            assembled(stream, syntax, rows, columns)


def test_what_is_no_stream_has_no_size() -> None:
    for content in (b"", b"\xff\xd8", b"\xff\xd8\xff", b"\xff\xd8\xff\xff\xff\xff", b"\0" * 64):
        assert picture_size(content) is None
    stream = compressed(JPEGBaseline8Bit)
    for length in range(len(stream)):
        picture_size(stream[:length])
