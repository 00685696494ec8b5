"""One DICOM file: its header, or the reason why it is no image for us."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import replace
from typing import BinaryIO

from pydicom.uid import (
    MediaStorageDirectoryStorage,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    MultiFrameSingleBitSecondaryCaptureImageStorage,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    NuclearMedicineImageStorage,
    RTDoseStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
    VLWholeSlideMicroscopyImageStorage,
)

from medcl.archive.dicom.header.attributes import WANTED, attributes
from medcl.archive.dicom.header.elements import NATIVE, Elements
from medcl.archive.dicom.header.enhanced import FUNCTIONAL, functional_frames
from medcl.archive.dicom.header.model import Attributes, DicomHeader, Frame
from medcl.archive.dicom.header.mosaic import is_mosaic, mosaic_frames
from medcl.archive.dicom.header.nuclear import NUCLEAR, nuclear_frames
from medcl.archive.dicom.header.parser import read_elements
from medcl.archive.dicom.header.suv import PET_TAGS, pet_unit
from medcl.archive.dicom.header.ultrasound import image_regions
from medcl.archive.dicom.header.values import identifier, integer, place, text
from medcl.archive.dicom.tags import (
    DETECTORS,
    DIMENSION_ORGANIZATION,
    DOUBLE_FLOAT_PIXEL_DATA,
    FLOAT_PIXEL_DATA,
    IMAGE_POSITION,
    INSTANCE_NUMBER,
    MEDIA_STORAGE_SOP_CLASS_UID,
    MODALITY_LUT,
    PALETTE_DESCRIPTORS,
    PALETTE_SEGMENTED,
    PALETTE_TABLES,
    RADIOPHARMACEUTICAL,
    SERIES_INSTANCE_UID,
    SOP_INSTANCE_UID,
    STUDY_INSTANCE_UID,
    UIH_SLICE_SEQUENCE,
    UIH_SLICES,
    ULTRASOUND_REGIONS,
    VOI_LUT,
    VOI_LUT_FUNCTION,
    WINDOW_CENTER,
    WINDOW_WIDTH,
)
from medcl.archive.flags import Rejected, dropped, quarantined
from medcl.archive.limits import MAX_SCAN_BYTES, is_bomb

PROBE_BYTES = 4096
MAX_FRAMES = 100_000
SEQUENCES = frozenset(
    {*FUNCTIONAL, DETECTORS, UIH_SLICE_SEQUENCE, ULTRASOUND_REGIONS, RADIOPHARMACEUTICAL}
    | {MODALITY_LUT, VOI_LUT}
)
PALETTE = frozenset({*PALETTE_DESCRIPTORS, *PALETTE_TABLES, *PALETTE_SEGMENTED})
ELEMENTS = WANTED | PALETTE | NUCLEAR | PET_TAGS | {WINDOW_CENTER, WINDOW_WIDTH, VOI_LUT_FUNCTION}
ELEMENTS |= {UIH_SLICES, DIMENSION_ORGANIZATION}
VIDEO = ("1.2.840.10008.1.2.4.10", "1.2.840.10008.1.2.7")
"""Beginnings of the transfer syntaxes of MPEG, HEVC (1.2.4.100 to .108) and SMPTE ST 2110."""
FLOATS = {FLOAT_PIXEL_DATA: 32, DOUBLE_FLOAT_PIXEL_DATA: 64}
"""Bits of the pixels that are no integers, and state no more about themselves."""
COLORS = ("RGB", "YBR_FULL", "YBR_ICT", "YBR_RCT")
CONFOCAL_TILED = "1.2.840.10008.5.1.4.1.1.77.1.9"  # not named by pydicom 3.0
LABEL_MAP_SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.7"  # not named by pydicom 3.0
SEGMENTATIONS = (SegmentationStorage, LABEL_MAP_SEGMENTATION)
SECONDARY = frozenset(
    {
        SecondaryCaptureImageStorage,
        MultiFrameSingleBitSecondaryCaptureImageStorage,
        MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
        MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
        MultiFrameTrueColorSecondaryCaptureImageStorage,
    }
)
SLIDES = frozenset({VLWholeSlideMicroscopyImageStorage, CONFOCAL_TILED})
RISKY_MODALITIES = ("US", "XA", "RF", "OT", "ES", "XC")


def open_elements(stream: BinaryIO, size: int) -> Elements | None:
    """Walk one file for the elements that a header is made of."""
    return read_elements(stream, size, ELEMENTS, SEQUENCES)


def read_header(stream: BinaryIO, size: int) -> DicomHeader | None:
    """Return the attributes by which a DICOM file is grouped, or None when the file is no DICOM.

    Args:
        stream: seekable, of the whole file.
        size: of the file in bytes.

    Raises:
        Rejected: the file is DICOM but carries no usable image (a report, a dose grid, a video), or ends
            before its pixels do, or claims absurd sizes.
    """
    elements = None
    try:
        elements = open_elements(stream, size)
        header = None if elements is None else header_of(elements)
    except Rejected as verdict:
        if elements is not None:
            verdict.series = text(elements.values.get(SERIES_INSTANCE_UID, b""))
            verdict.study = text(elements.values.get(STUDY_INSTANCE_UID, b""))
        raise
    except (ArithmeticError, LookupError, TypeError, ValueError, struct.error):
        raise quarantined("BAD_HEADER") from None
    if header is not None and header.shared.sop_class in SEGMENTATIONS:
        raise quarantined("SEG")
    return header


def header_of(elements: Elements) -> DicomHeader:
    """Return the header of walked elements; raises as `read_header`."""
    shared = attributes(elements)
    _check_kind(elements, shared)
    _check_pixels(elements, shared)
    if shared.modality == "CT" and MODALITY_LUT in elements.sequences:
        shared = replace(shared, rescale_type=_table_type(elements))
    values = elements.values
    tiles, functional, extra = _frames(elements, shared)
    regions, region_flags = image_regions(elements, shared)
    return DicomHeader(
        shared=shared,
        sop_uid=identifier(values.get(SOP_INSTANCE_UID, b"")),
        instance=_integer(values.get(INSTANCE_NUMBER)),
        position=place(values.get(IMAGE_POSITION)),
        syntax=elements.syntax,
        pixel_tag=elements.pixel_tag,
        pixel_start=elements.pixel_start,
        pixel_length=elements.pixel_length,
        probe=_probe(elements),
        crc=_crc(elements, shared),
        tiles=tiles,
        functional=functional,
        modality_lut=MODALITY_LUT in elements.sequences,
        activity=_activity(elements, shared, functional),
        regions=regions,
        flags=tuple(sorted({*elements.flags, *extra, *region_flags, *_remarks(shared)})),
    )


def _table_type(elements: Elements) -> str:
    """Return the unit that a modality look-up table states (ModalityLUTType)."""
    items = elements.items(MODALITY_LUT)
    return str(items[0].get("ModalityLUTType") or "") if items else ""


def _activity(elements: Elements, shared: Attributes, functional: tuple[Frame, ...]) -> tuple[str, float]:
    """Return unit and factor of a PET; of an enhanced one, the frames state the units."""
    if shared.modality != "PT":
        return "a.u.", 1.0
    units = {frame.rescale_type for frame in functional}
    return pet_unit(elements, units.pop() if len(units) == 1 else "")


def _integer(raw: bytes | None) -> int | None:
    try:
        return integer(raw) if raw else None
    except ValueError:
        return None


def _check_kind(elements: Elements, shared: Attributes) -> None:
    """Refuse what is DICOM but no image."""
    sop_class = shared.sop_class or elements.values.get(MEDIA_STORAGE_SOP_CLASS_UID, b"").decode(
        "ascii", "replace"
    ).strip("\0 ")
    if sop_class == MediaStorageDirectoryStorage:
        raise dropped("DICOMDIR")
    if sop_class == RTDoseStorage:
        raise dropped("DOSE")
    tiled = text(elements.values.get(DIMENSION_ORGANIZATION, b"")).startswith("TILED")
    if sop_class in SLIDES or (tiled and sop_class not in SEGMENTATIONS):
        raise dropped("WHOLE_SLIDE")
    if not elements.pixel_tag:
        cut = elements.size > 0 and shared.rows > 0 and elements.pixel_length == 0
        raise quarantined("TRUNCATED") if cut else dropped("NO_PIXELS")
    if elements.syntax.startswith(VIDEO):
        raise quarantined("VIDEO")


def _check_pixels(elements: Elements, shared: Attributes) -> None:
    """Refuse headers whose numbers cannot describe the pixels that follow."""
    if not (shared.rows and shared.columns and shared.bits_allocated):
        raise quarantined("BAD_HEADER")
    if shared.bits_allocated not in (1, 8, 16, 32, 64) or shared.samples not in (1, 3, 4):
        raise quarantined("BAD_HEADER")
    if elements.pixel_tag in FLOATS:
        if shared.bits_allocated != FLOATS[elements.pixel_tag]:
            raise quarantined("BAD_HEADER")
    elif not 0 < shared.bits_stored <= shared.bits_allocated or shared.high_bit >= shared.bits_allocated:
        raise quarantined("BAD_HEADER")
    if shared.samples > 1 and (shared.samples == 4 or not shared.photometric.startswith(COLORS)):
        raise quarantined("UNDECODABLE")
    expected = pixel_bytes(shared)
    if expected > MAX_SCAN_BYTES or shared.n_frames > MAX_FRAMES:
        raise quarantined("TOO_LARGE")
    available = elements.size - elements.pixel_start
    if elements.pixel_length < 0:
        if is_bomb(expected, available):
            raise quarantined("BOMB")
        if not _ends_well(elements):
            raise quarantined("TRUNCATED")
        return
    if elements.syntax not in NATIVE and elements.syntax:
        raise quarantined("BAD_HEADER")
    if available < expected or (available < elements.pixel_length < 0xFFFFFFFF):
        raise quarantined("TRUNCATED")
    if elements.pixel_length < expected:
        raise quarantined("BAD_HEADER")
    if elements.pixel_length > expected + 1:
        elements.flags.add("TRAILING_DATA")


def pixel_bytes(shared: Attributes) -> int:
    """Return the bytes of all frames when they are not compressed."""
    bits = shared.rows * shared.columns * shared.samples * shared.n_frames * shared.bits_allocated
    if shared.photometric == "YBR_FULL_422":
        bits = bits * 2 // 3
    return (bits + 7) // 8


def _ends_well(elements: Elements) -> bool:
    """Return whether encapsulated pixels are closed by a delimiter, seen from the file's end or walked to."""
    delimiter = b"\xfe\xff\xdd\xe0\0\0\0\0"
    elements.stream.seek(max(elements.pixel_start, elements.size - 8))
    if elements.stream.read(8) == delimiter:
        return True
    at = elements.pixel_start
    for _ in range(MAX_FRAMES):
        elements.stream.seek(at)
        head = elements.stream.read(8)
        if head == delimiter:
            return True
        if head[:4] != b"\xfe\xff\x00\xe0":
            return False
        at += 8 + int.from_bytes(head[4:], "little")
        if at > elements.size:
            return False
    return False


def _crc(elements: Elements, shared: Attributes) -> int | None:
    """Return a checksum of all the pixels if they are in memory anyhow, else None."""
    if not isinstance(elements.stream, io.BytesIO):
        return None
    with elements.stream.getbuffer() as content:
        return zlib.crc32(content[elements.pixel_start :][: stored_length(elements, shared)])


def stored_length(elements: Elements, shared: Attributes) -> int:
    """Return the bytes of all frames as stored, without what follows them."""
    length = elements.pixel_length if elements.pixel_length >= 0 else elements.size - elements.pixel_start
    expected = pixel_bytes(shared)
    return min(length, expected + expected % 2) if elements.syntax in NATIVE else length


def _probe(elements: Elements) -> int:
    """Return a checksum of the middle of the pixels and of their length."""
    end = elements.pixel_start + elements.pixel_length if elements.pixel_length >= 0 else elements.size
    middle = (elements.pixel_start + end - PROBE_BYTES) // 2
    elements.stream.seek(max(elements.pixel_start, middle))
    return zlib.crc32(elements.stream.read(PROBE_BYTES), end - elements.pixel_start)


def _frames(
    elements: Elements, shared: Attributes
) -> tuple[tuple[int, int] | None, tuple[Frame, ...], tuple[str, ...]]:
    """Return rows and columns of the tiles of a mosaic, the frames with a description each, and flags."""
    if is_mosaic(shared):
        return *mosaic_frames(elements, shared), ("MOSAIC",)
    if any(sequence in elements.sequences for sequence in FUNCTIONAL):
        return None, *functional_frames(elements, shared)
    if shared.n_frames > 1 and (shared.modality == "NM" or shared.sop_class == NuclearMedicineImageStorage):
        return None, *nuclear_frames(elements, shared)
    return None, (), ()


def _remarks(shared: Attributes) -> list[str]:
    """Return the flags that the header alone earns."""
    kind = shared.image_type
    flags = []
    secondary = shared.sop_class in SECONDARY or "SECONDARY" in kind[1:2]
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
