"""Compressed pixels: which decoder each transfer syntax needs, in order of speed, and what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from struct import unpack_from
from typing import Any

import numpy as np
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from medcl.archive.dicom.header.elements import NATIVE
from medcl.archive.dicom.header.model import Attributes, DicomHeader
from medcl.archive.dicom.pixels.gdcm_process import decode_apart
from medcl.archive.flags import quarantined

J2K = ("imagecodecs", "pylibjpeg", "pillow")
JPEG_LS = ("pyjpegls",)
JPEG = ("pillow",)
LOSSLESS_JPEG = ("gdcm",)
JPEG_START, J2K_START = b"\xff\xd8", b"\xff\x4f\xff\x51"
JPEG_FRAMES = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}
"""Markers that begin a frame of JPEG (ITU-T T.81, table B.1) or JPEG-LS (T.87)."""

PLUGINS: dict[str, tuple[str, ...]] = {
    RLELossless: ("pydicom",),
    JPEGBaseline8Bit: JPEG,
    JPEGExtended12Bit: JPEG,
    JPEGLossless: LOSSLESS_JPEG,
    JPEGLosslessSV1: LOSSLESS_JPEG,
    JPEGLSLossless: JPEG_LS,
    JPEGLSNearLossless: JPEG_LS,
    JPEG2000Lossless: J2K,
    JPEG2000: J2K,
    HTJ2KLossless: ("pylibjpeg",),
    HTJ2KLosslessRPCL: ("pylibjpeg",),
    HTJ2K: ("pylibjpeg",),
}
"""Transfer syntax to decoders of pydicom, fastest first (measured on 512x512 of 12 bits).

pylibjpeg-rle is faster than pydicom's own decoder, but a damaged stream makes it panic past every `except`.
GDCM ends the process on some, so it serves only where nothing else does, and in a process of its own.
"""

PACKAGES = {
    "imagecodecs": "imagecodecs",
    "gdcm": "python-gdcm",
    "pylibjpeg": "pylibjpeg pylibjpeg-openjpeg",
    "pyjpegls": "pyjpegls",
    "pillow": "pillow",
}


def missing_decoders(headers: Iterable[DicomHeader]) -> dict[str, tuple[int, str]]:
    """Return transfer syntaxes that cannot be decoded here, with how many files need each and the remedy.

    Returns:
        transfer syntax UID (or `unknown`) to (files, command), such as `pip install python-gdcm`; the command
        is empty for syntaxes that no decoder reads.
    """
    from pydicom.uid import AllTransferSyntaxes

    counted = Counter(
        # What is no transfer syntax may be anything that a file says, a name included.
        (header.syntax if header.syntax in AllTransferSyntaxes else "unknown", header.shared.bits_stored)
        for header in headers
        if header.syntax not in NATIVE
    )
    missing: dict[str, tuple[int, str]] = {}
    for (syntax, bits), count in sorted(counted.items()):
        if not decoders(syntax, bits):
            missing[syntax] = (count + missing.get(syntax, (0, ""))[0], _remedy(syntax, bits))
    return missing


def installed() -> str:
    """Return which decoders are there, for telling whether an earlier answer still holds."""
    return repr([decoders(syntax, bits) for syntax in PLUGINS for bits in (8, 16)])


def _remedy(syntax: str, bits: int) -> str:
    if syntax == JPEGExtended12Bit and bits > 8:
        return "pip install pylibjpeg pylibjpeg-libjpeg"
    wanted = PLUGINS.get(syntax)
    return f"pip install {PACKAGES[wanted[0]]}" if wanted else ""


@lru_cache(maxsize=64)
def decoders(syntax: str, bits: int) -> tuple[str, ...]:
    """Return the decoders for a transfer syntax of so many bits that are installed, fastest first."""
    from pydicom.pixels import get_decoder

    from medcl.archive.dicom.pixels.jpeg2000 import register

    if syntax not in PLUGINS:
        return ()
    register()
    available = get_decoder(syntax).available_plugins
    return tuple(plugin for plugin in _wanted(syntax, bits) if plugin in available)


def _wanted(syntax: str, bits: int) -> tuple[str, ...]:
    """Return the decoders that read a syntax; extended JPEG of 12 bits has one only."""
    return ("pylibjpeg",) if syntax == JPEGExtended12Bit and bits > 8 else PLUGINS.get(syntax, ())


def sign_differs(syntax: str, content: bytes, shared: Attributes) -> bool:
    """Return whether a JPEG 2000 stream and the header disagree about sign; pixels then follow the header."""
    if PLUGINS.get(syntax) != J2K:
        return False
    from pydicom.pixels.utils import get_j2k_parameters

    start = content.find(J2K_START)
    signed = get_j2k_parameters(content[start : start + 128]).get("is_signed") if start >= 0 else None
    return signed is not None and signed != shared.signed


def image_size(stream: bytes) -> tuple[int, int] | None:
    """Return (rows, columns) that a JPEG, JPEG-LS or JPEG 2000 stream states; None where it states none."""
    if (start := stream[:256].find(J2K_START)) >= 0 and len(stream) >= start + 24:
        right, bottom, left, top = unpack_from(">4I", stream, start + 8)
        return bottom - top, right - left
    at = 2
    while stream[:2] == JPEG_START and at + 9 <= len(stream) and stream[at] == 0xFF:
        if stream[at + 1] in JPEG_FRAMES:
            rows, columns = unpack_from(">HH", stream, at + 5)
            return (rows, columns) if rows else None
        at += 1 if stream[at + 1] == 0xFF else 2 + unpack_from(">H", stream, at + 2)[0]
    return None


def decode(syntax: str, frame: bytes, options: dict[str, Any]) -> np.ndarray:
    """Decode one compressed frame, trying each decoder in turn.

    Args:
        syntax: Transfer syntax UID.
        frame: Compressed bytes of the frame.
        options: Options of pydicom's decoders.

    Returns:
        The stored values, color already as RGB where the stream is YCbCr.

    Raises:
        Rejected: DECODER_MISSING, UNDECODABLE, or BAD_HEADER where the stream holds an image of another
            size, which some decoders would press into this one's.
    """
    from pydicom.encaps import encapsulate
    from pydicom.pixels import get_decoder

    plugins = decoders(syntax, options["bits_stored"])
    if not plugins:
        raise quarantined("DECODER_MISSING" if syntax in PLUGINS else "UNDECODABLE")
    if image_size(frame) not in (None, (options["rows"], options["columns"])):
        raise quarantined("BAD_HEADER")
    value = encapsulate([frame], has_bot=False)
    one = {**options, "number_of_frames": 1}
    for plugin in plugins:
        try:
            if plugin == "gdcm":
                return decode_apart(syntax, value, one)
            array, _ = get_decoder(syntax).as_array(value, index=0, decoding_plugin=plugin, **one)
            return np.asarray(array)
        except Exception:  # decoders raise whatever their C libraries say; the next may do better
            continue
    raise quarantined("UNDECODABLE")
