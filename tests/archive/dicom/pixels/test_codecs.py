"""A compressed stream of another shape than the header's is refused, not pressed into it."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels import get_decoder
from pydicom.uid import JPEG2000, JPEG2000Lossless, JPEGBaseline8Bit, JPEGLSLossless

from medcl.archive import dicom
from medcl.archive.dicom.pixels.codecs import decoders, image_size
from medcl.archive.flags import Rejected
from medcl.testing import phantom
from tests.archive.dicom.samples import WHEEL

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
    assert image_size(stream) == (32, 48)
    assert np.abs(assembled(stream, syntax, 32, 48).astype(int) - PIXELS).max() <= 20
    for rows, columns in ((48, 32), (16, 96)):
        with pytest.raises(Rejected, match="BAD_HEADER"):
            assembled(stream, syntax, rows, columns)


def test_what_is_no_stream_has_no_size() -> None:
    for content in (b"", b"\xff\xd8", b"\xff\xd8\xff", b"\xff\xd8\xff\xff\xff\xff", b"\0" * 64):
        assert image_size(content) is None
    stream = compressed(JPEGBaseline8Bit)
    for length in range(len(stream)):
        image_size(stream[:length])


def j2k_streams() -> list[tuple[str, bytes, dict[str, int | str]]]:
    """Return frames with the options that pydicom decodes them by: of its own files, and of stated kinds."""
    keys = ("rows", "columns", "samples_per_pixel", "bits_allocated", "bits_stored", "pixel_representation")
    names = ["".join(word.title() for word in key.split("_")) for key in keys]
    folder = Path(pydicom.__file__).parent / "data" / "test_files"
    patterns = ("*J2K*.dcm", "JPEG2000.dcm", "*j*2k*.dcm", "SC_rgb_gdcm_KY.dcm")
    sets = [dcmread(path) for pattern in patterns for path in sorted(folder.glob(pattern))]
    for dtype, bits in ((np.uint16, 12), (np.int16, 13), (np.uint8, 8)):
        wave = np.sin(np.arange(64 * 48).reshape(64, 48) / 30) * 2 ** (bits - 2)
        sets.append(phantom.image((wave + (0 if dtype is np.int16 else 2 ** (bits - 2))).astype(dtype)))
        sets[-1].BitsStored, sets[-1].HighBit = bits, bits - 1
        sets[-1].PixelRepresentation = int(dtype is np.int16)
        sets[-1].compress(JPEG2000Lossless)
    frames = []
    for ds in sets:
        options = {key: ds[name].value for key, name in zip(keys, names, strict=True)}
        options |= {"number_of_frames": 1, "photometric_interpretation": ds.PhotometricInterpretation}
        options |= {"planar_configuration": 0} if ds.SamplesPerPixel > 1 else {}
        frame = next(generate_frames(ds.PixelData, number_of_frames=1))
        frames.append((ds.file_meta.TransferSyntaxUID, frame, options))
    return frames


def test_both_jpeg2000_decoders_say_the_same() -> None:
    assert decoders(JPEG2000Lossless, 16)[:2] == decoders(JPEG2000, 16)[:2] == ("imagecodecs", "pylibjpeg")
    streams = j2k_streams()
    kinds = {(o["samples_per_pixel"], o["pixel_representation"], o["bits_stored"]) for _, _, o in streams}
    assert len(streams) > 8
    assert len(kinds) > 4
    for syntax, frame, options in streams:
        one, two = (
            get_decoder(syntax).as_array(encapsulate([frame]), index=0, decoding_plugin=name, **options)
            for name in ("imagecodecs", "pylibjpeg")
        )
        assert one[0].dtype == two[0].dtype
        assert np.array_equal(one[0], two[0])
        assert one[1] == two[1]


WITHOUT_IMAGECODECS = """
import importlib.util as util, sys
real = util.find_spec
util.find_spec = lambda name, *more: None if name == "imagecodecs" else real(name, *more)
from medcl.archive.dicom.pixels.codecs import decoders, installed
for syntax in ("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"):
    assert decoders(syntax, 16)[0] == decoders(syntax, 8)[0] == "pylibjpeg"
assert installed() == installed()
"""


def test_an_archive_is_read_where_imagecodecs_is_not_installed() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_IMAGECODECS], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_a_cut_jpeg2000_stream_is_refused_by_both() -> None:
    _, frame, options = j2k_streams()[-3]
    for length in (len(frame) // 2, len(frame) - 20):
        for name in ("imagecodecs", "pylibjpeg"):
            with pytest.raises(RuntimeError):
                get_decoder(JPEG2000Lossless).as_array(
                    encapsulate([frame[:length]]), index=0, decoding_plugin=name, **options
                )


def test_a_missing_decoder_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [WHEEL / "test_files" / name for name in ("JPEG-lossy.dcm", "MR_small_jp2klossless.dcm")]
    headers = []
    for path in paths:
        with open(path, "rb") as stream:
            headers.append(dicom.read_header(stream, path.stat().st_size))
    known_headers = [header for header in headers if header is not None]
    extended = "1.2.840.10008.1.2.4.51"
    assert dicom.missing_decoders(known_headers) == {extended: (1, "pip install pylibjpeg pylibjpeg-libjpeg")}
    monkeypatch.setattr("medcl.archive.dicom.pixels.codecs.decoders", lambda syntax, bits: ())
    assert dicom.missing_decoders(known_headers)["1.2.840.10008.1.2.4.90"] == (
        1,
        "pip install imagecodecs",
    )
    assert decoders(extended, 12) == ()
