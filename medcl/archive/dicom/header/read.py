"""One DICOM file: its header, or the reason why it is no image for us."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable
from typing import BinaryIO

from medcl.archive.dicom.header.attributes import WANTED, attributes
from medcl.archive.dicom.header.elements import (
    NATIVE,
    PALETTE_DESCRIPTORS,
    PALETTE_SEGMENTED,
    PALETTE_TABLES,
    VOI_CENTER,
    VOI_FUNCTION,
    VOI_TABLES,
    VOI_WIDTH,
    Elements,
)
from medcl.archive.dicom.header.enhanced import FUNCTIONAL, functional_frames, nuclear_frames
from medcl.archive.dicom.header.model import Attributes, DicomHeader, Frame
from medcl.archive.dicom.header.mosaic import mosaic_frames
from medcl.archive.dicom.header.parser import elements
from medcl.archive.dicom.header.suv import RADIOPHARMACEUTICAL, suv_factor
from medcl.archive.dicom.header.ultrasound import REGIONS, tissue
from medcl.archive.dicom.header.values import identifier, integer, place, text
from medcl.archive.flags import Rejected, dropped, quarantined
from medcl.archive.limits import MAX_SCAN_BYTES, is_bomb

PROBE_BYTES = 4096
MAX_FRAMES = 100_000
MODALITY_LUT, SERIES_UID = 0x00283000, 0x0020000E
SEQUENCES = frozenset({*FUNCTIONAL, REGIONS, RADIOPHARMACEUTICAL, MODALITY_LUT, VOI_TABLES})
PALETTE = frozenset({*PALETTE_DESCRIPTORS, *PALETTE_TABLES, *PALETTE_SEGMENTED})
ELEMENTS = WANTED | PALETTE | {VOI_CENTER, VOI_WIDTH, VOI_FUNCTION}
VIDEO = ("1.2.840.10008.1.2.4.10", "1.2.840.10008.1.2.7")
FLOATS = {0x7FE00008: 32, 0x7FE00009: 64}
"""Bits of the pixels that are no integers, and state no more about themselves."""
COLORS = ("RGB", "YBR_FULL", "YBR_ICT", "YBR_RCT")
DICOMDIR = "1.2.840.10008.1.3.10"
DOSE = "1.2.840.10008.5.1.4.1.1.481.2"
SEGMENTATIONS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
SECONDARY = "1.2.840.10008.5.1.4.1.1.7"
RISKY_MODALITIES = ("US", "XA", "RF", "OT", "ES", "XC")


def open_elements(stream: BinaryIO, size: int) -> Elements | None:
    """Walk one file for the elements that a header is made of."""
    return elements(stream, size, ELEMENTS, SEQUENCES)


def read_header(stream: BinaryIO, size: int) -> DicomHeader | None:
    """Return what grouping needs to know of a DICOM file, or None when the file is no DICOM.

    Args:
        stream: seekable, of the whole file.
        size: of the file in bytes.

    Raises:
        Rejected: the file is DICOM but carries no usable image (a report, a dose grid, a video), or ends
            before its pixels do, or claims absurd sizes.
    """
    found = None
    try:
        found = open_elements(stream, size)
        header = None if found is None else header_of(found)
    except Rejected as verdict:
        if found is not None:
            verdict.series = text(found.values.get(SERIES_UID, b""))
        raise
    except (ArithmeticError, LookupError, TypeError, ValueError, struct.error):
        raise quarantined("BAD_HEADER") from None
    if header is not None and header.shared.sop_class in SEGMENTATIONS:
        raise quarantined("SEG")
    return header


def header_of(found: Elements) -> DicomHeader:
    """Return the header of walked elements; raises as `read_header`."""
    shared = attributes(found)
    _check_kind(found, shared)
    _check_pixels(found, shared)
    values = found.values
    tiles, functional, extra = _frames(found, shared)
    box, box_spacing = tissue(found, shared)
    return DicomHeader(
        shared=shared,
        sop_uid=identifier(values.get(0x00080018, b"")),
        instance=_integer(values.get(0x00200013)),
        position=place(values.get(0x00200032)),
        syntax=found.syntax,
        pixel_tag=found.pixel_tag,
        pixel_start=found.pixel_start,
        pixel_length=found.pixel_length,
        probe=_probe(found),
        crc=_crc(found, shared),
        tiles=tiles,
        functional=functional,
        modality_lut=MODALITY_LUT in found.sequences,
        suv=suv_factor(found, shared) if shared.modality == "PT" else None,
        box=box,
        box_spacing=box_spacing,
        flags=tuple(sorted({*found.flags, *extra, *_remarks(shared)})),
    )


def _integer(raw: bytes | None) -> int | None:
    try:
        return integer(raw) if raw else None
    except ValueError:
        return None


def _check_kind(found: Elements, shared: Attributes) -> None:
    """Refuse what is DICOM but no image."""
    sop_class = shared.sop_class or found.values.get(0x00020002, b"").decode("ascii", "replace").strip("\0 ")
    if sop_class == DICOMDIR:
        raise dropped("DICOMDIR")
    if sop_class == DOSE:
        raise dropped("DOSE")
    if not found.pixel_tag:
        cut = found.size > 0 and shared.rows > 0 and found.pixel_length == 0
        raise quarantined("TRUNCATED") if cut else dropped("NO_PIXELS")
    if found.syntax.startswith(VIDEO):
        raise quarantined("VIDEO")


def _check_pixels(found: Elements, shared: Attributes) -> None:
    """Refuse headers whose numbers cannot describe the pixels that follow."""
    if not (shared.rows and shared.columns and shared.bits_allocated):
        raise quarantined("BAD_HEADER")
    if shared.bits_allocated not in (1, 8, 16, 32, 64) or shared.samples not in (1, 3, 4):
        raise quarantined("BAD_HEADER")
    if found.pixel_tag in FLOATS:
        if shared.bits_allocated != FLOATS[found.pixel_tag]:
            raise quarantined("BAD_HEADER")
    elif not 0 < shared.bits_stored <= shared.bits_allocated or shared.high_bit >= shared.bits_allocated:
        raise quarantined("BAD_HEADER")
    if shared.samples > 1 and (shared.samples == 4 or not shared.photometric.startswith(COLORS)):
        raise quarantined("UNDECODABLE")
    expected = pixel_bytes(shared)
    if expected > MAX_SCAN_BYTES or shared.n_frames > MAX_FRAMES:
        raise quarantined("TOO_LARGE")
    available = found.size - found.pixel_start
    if found.pixel_length < 0:
        if is_bomb(expected, available):
            raise quarantined("BOMB")
        if not _ends_well(found):
            raise quarantined("TRUNCATED")
        return
    if found.syntax not in NATIVE and found.syntax:
        raise quarantined("BAD_HEADER")
    if available < expected or (available < found.pixel_length < 0xFFFFFFFF):
        raise quarantined("TRUNCATED")
    if found.pixel_length < expected:
        raise quarantined("BAD_HEADER")
    if found.pixel_length > expected + 1:
        found.flags.add("TRAILING_DATA")


def pixel_bytes(shared: Attributes) -> int:
    """Return the bytes of all frames when they are not compressed."""
    bits = shared.rows * shared.columns * shared.samples * shared.n_frames * shared.bits_allocated
    if shared.photometric == "YBR_FULL_422":
        bits = bits * 2 // 3
    return (bits + 7) // 8


def _ends_well(found: Elements) -> bool:
    """True when encapsulated pixels are closed by a delimiter, seen from the file's end or walked to."""
    delimiter = b"\xfe\xff\xdd\xe0\0\0\0\0"
    found.stream.seek(max(found.pixel_start, found.size - 8))
    if found.stream.read(8) == delimiter:
        return True
    at = found.pixel_start
    for _ in range(MAX_FRAMES):
        found.stream.seek(at)
        head = found.stream.read(8)
        if head == delimiter:
            return True
        if head[:4] != b"\xfe\xff\x00\xe0":
            return False
        at += 8 + int.from_bytes(head[4:], "little")
        if at > found.size:
            return False
    return False


def _crc(found: Elements, shared: Attributes) -> int | None:
    """Return a checksum of all the pixels if they are in memory anyhow, else None."""
    if not isinstance(found.stream, io.BytesIO):
        return None
    with found.stream.getbuffer() as content:
        return zlib.crc32(content[found.pixel_start :][: stored_length(found, shared)])


def stored_length(found: Elements, shared: Attributes) -> int:
    """Return the bytes of all frames as stored, without what follows them."""
    length = found.pixel_length if found.pixel_length >= 0 else found.size - found.pixel_start
    expected = pixel_bytes(shared)
    return min(length, expected + expected % 2) if found.syntax in NATIVE else length


def _probe(found: Elements) -> int:
    """Return a checksum of the middle of the pixels and of their length."""
    end = found.pixel_start + found.pixel_length if found.pixel_length >= 0 else found.size
    middle = (found.pixel_start + end - PROBE_BYTES) // 2
    found.stream.seek(max(found.pixel_start, middle))
    return zlib.crc32(found.stream.read(PROBE_BYTES), end - found.pixel_start)


def _frames(found: Elements, shared: Attributes) -> tuple[int, tuple[Frame, ...], Iterable[str]]:
    """Return tiles a side, frames with a place of their own, and flags."""
    if "MOSAIC" in shared.image_type:
        return mosaic_frames(found, shared)
    if FUNCTIONAL[0] in found.sequences or FUNCTIONAL[1] in found.sequences:
        return 0, functional_frames(found, shared), ()
    if shared.modality == "NM" and shared.n_frames > 1:
        return 0, nuclear_frames(found, shared), ()
    return 0, (), ()


def _remarks(shared: Attributes) -> list[str]:
    """Return the flags that the header alone earns."""
    kind = shared.image_type
    flags = []
    secondary = shared.sop_class.startswith(SECONDARY) or "SECONDARY" in kind[1:2]
    if kind[:1] == ("DERIVED",) or secondary:
        flags.append("DERIVED")
    if shared.lossy:
        flags.append("LOSSY")
    risky = shared.modality in RISKY_MODALITIES or secondary or shared.conversion
    if shared.burned_in != "NO" and (risky or shared.burned_in == "YES"):
        flags.append("BURNED_IN_RISK")
    if shared.bad_values:
        flags.append("BAD_VR")
    return flags
