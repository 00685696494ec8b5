"""JPEG 2000 through imagecodecs, which decodes on several threads, as one of pydicom's decoders."""

from __future__ import annotations

import os
from functools import lru_cache
from importlib.util import find_spec

from pydicom.pixels import get_decoder
from pydicom.pixels.decoders.base import DecodeRunner
from pydicom.uid import JPEG2000, JPEG2000Lossless

SYNTAXES = (JPEG2000, JPEG2000Lossless)
THREADS = min(4, os.cpu_count() or 1)
"""Of one frame; more gain little at the sizes of scans."""


def is_available(uid: str) -> bool:
    """Return whether a syntax can be decoded here."""
    return uid in SYNTAXES and find_spec("imagecodecs") is not None


@lru_cache(maxsize=1)
def register() -> None:
    """Offer imagecodecs to pydicom's decoders of JPEG 2000, once, where it is installed."""
    for syntax in filter(is_available, SYNTAXES):
        get_decoder(syntax).add_plugin("imagecodecs", (__name__, "_decode_frame"))


def _decode_frame(src: bytes, runner: DecodeRunner) -> bytes:
    """Return the stored values, little endian; color is RGB once the stream's own transform is undone."""
    from imagecodecs import jpeg2k_decode

    frame = jpeg2k_decode(src, numthreads=THREADS)
    if runner.photometric_interpretation in ("YBR_ICT", "YBR_RCT"):
        runner.set_option("photometric_interpretation", "RGB")
    runner.set_option("bits_allocated", 8 * frame.dtype.itemsize)
    return bytes(frame.astype(frame.dtype.newbyteorder("<"), copy=False).data)
