"""What medcl keeps of a DICOM header: technical facts, and raw identifiers that never leave memory.

Files of a series agree in most values, so these are parsed once and shared: `Attributes` is the shared part,
`DicomHeader` what is a file's own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from medcl.archive.dicom_tags import Elements
from medcl.archive.dicom_words import body_part, manufacturer, modality

Vector = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Attributes:
    """Facts that files of a series usually share; the names follow the standard's keywords."""

    sop_class: str = ""
    modality: str = "unknown"
    image_type: tuple[str, ...] = ()
    patient_id: str = field(default="", repr=False)
    study_uid: str = field(default="", repr=False)
    series_uid: str = field(default="", repr=False)
    frame_of_reference: str = field(default="", repr=False)
    site: str = field(default="", repr=False)
    manufacturer: str | None = None
    body_part: str | None = None
    rows: int = 0
    columns: int = 0
    samples: int = 1
    planar: int = 0
    photometric: str = ""
    bits_allocated: int = 0
    bits_stored: int = 0
    high_bit: int = 0
    signed: bool = False
    n_frames: int = 1
    orientation: Vector | None = None
    pixel_spacing: Vector | None = None
    imager_spacing: Vector | None = None
    nominal_spacing: Vector | None = None
    magnification: float | None = None
    thickness: float | None = None
    spacing_between: float | None = None
    slope: float | None = None
    intercept: float | None = None
    rescale_type: str = ""
    padding: bytes = b""
    padding_limit: bytes = b""
    presentation: str = ""
    presentation_shape: str = ""
    lossy: bool = False
    burned_in: str = ""
    conversion: str = ""
    acquisition: str = ""
    temporal: str = ""
    echo_time: float | None = None
    echo: str = ""
    b_value: float | None = None
    gradient: Vector | None = None
    trigger: float | None = None
    contrast: str = field(default="", repr=False)
    kernel: str = ""
    units: str = ""
    corrected: tuple[str, ...] = ()
    decay: str = ""
    weight: float | None = field(default=None, repr=False)
    series_time: str = field(default="", repr=False)
    acquisition_time: str = field(default="", repr=False)
    tilt: float | None = None
    bad_values: bool = False


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of a file: its place, its scale and the tags by which series are split.

    Attributes:
        index: of the frame in the file (of the tile in a mosaic).
        position: of its first voxel's centre, LPS mm.
        orientation: direction of rows then of columns, LPS.
        spacing: mm between rows, between columns.
        thickness: mm, as stated.
        slope, intercept: None when not stated.
        keys: values of `SPLIT_KEYS`.
    """

    index: int
    position: Vector | None
    orientation: Vector | None
    spacing: Vector | None
    thickness: float | None
    slope: float | None
    intercept: float | None
    keys: tuple[Any, ...]


SPLIT_KEYS = (
    "acquisition", "temporal", "echo_time", "echo", "b_value", "gradient", "trigger", "contrast", "kernel",
    "image_type",
)  # fmt: skip
"""What may tell apart two slices at one place, in the order in which it is tried."""


@dataclass(frozen=True, slots=True)
class DicomHeader:
    """What grouping needs to know of one file. Identifiers are raw and for memory only.

    Attributes:
        shared: what other files of the series say too.
        sop_uid: SOPInstanceUID.
        instance: InstanceNumber.
        position: ImagePositionPatient of a single-frame file.
        syntax: transfer syntax UID.
        pixel_tag, pixel_start, pixel_length: where the pixels' value stands in the (inflated) data set; the
            length is -1 when it is encapsulated.
        probe: checksum of a sample of the pixels' bytes: files that differ in it are no copies.
        crc: checksum of all the pixels' bytes if they were in memory (as members of a zip or tar are).
        tiles: tiles along a side of a Siemens mosaic, 0 for anything else.
        functional: frames of an enhanced or reconstructed multi-frame file or mosaic, in stored order.
        modality_lut: whether stored values go through a table.
        suv: factor from Bq/ml to standardised uptake value, when the tags allow it.
        box: (first row, last + 1, first column, last + 1) of the tissue in an ultrasound picture.
        box_spacing: mm between its rows and between its columns.
        flags: what was noticed.
    """

    shared: Attributes
    sop_uid: str = field(repr=False)
    instance: int | None
    position: Vector | None
    syntax: str
    pixel_tag: int
    pixel_start: int
    pixel_length: int
    probe: int
    crc: int | None = None
    tiles: int = 0
    functional: tuple[Frame, ...] = ()
    modality_lut: bool = False
    suv: float | None = None
    box: tuple[int, int, int, int] | None = None
    box_spacing: Vector | None = None
    flags: tuple[str, ...] = ()

    @property
    def matrix(self) -> tuple[int, int]:
        """Rows and columns of one picture (of one tile of a mosaic)."""
        share = max(self.tiles, 1)
        return self.shared.rows // share, self.shared.columns // share

    @property
    def frames(self) -> tuple[Frame, ...]:
        """The pictures of the file."""
        if self.functional:
            return self.functional
        own = plain_frame(self.shared, self.position)
        if self.shared.n_frames <= 1:
            return (own,)
        return tuple(replace(own, index=number, position=None) for number in range(self.shared.n_frames))


def plain_frame(shared: Attributes, position: Vector | None) -> Frame:
    """Return the one picture of a single-frame file."""
    return Frame(
        index=0,
        position=position,
        orientation=shared.orientation,
        spacing=shared.pixel_spacing,
        thickness=shared.thickness,
        slope=shared.slope,
        intercept=shared.intercept,
        keys=(*(getattr(shared, name) for name in SPLIT_KEYS[:-1]), shared.image_type[2:]),
    )


def text(raw: bytes, little: bool = True) -> str:
    """Return one string without its padding; anything but ASCII becomes a question mark."""
    return raw.decode("ascii", "replace").strip("\0 \n\r\t")


def identifier(raw: bytes, little: bool = True) -> str:
    """Return an identifier with every byte kept."""
    return raw.decode("latin-1").strip("\0 ")


def words(raw: bytes, little: bool = True) -> tuple[str, ...]:
    """Return the values of a multi-valued string."""
    value = text(raw)
    return tuple(word.strip() for word in value.split("\\")) if value else ()


def decimals(raw: bytes, little: bool = True) -> Vector | None:
    """Return the values of a decimal string (DS), or None when it is empty or holds no finite numbers."""
    value = text(raw)
    if not value:
        return None
    numbers = tuple(float(word.replace(",", ".")) for word in value.split("\\"))
    if not all(map(math.isfinite, numbers)):
        raise ValueError
    return numbers


def decimal(raw: bytes, little: bool = True) -> float | None:
    """Return the first value of a decimal string."""
    numbers = decimals(raw.split(b"\\")[0])
    return numbers[0] if numbers else None


def integer(raw: bytes, little: bool = True) -> int | None:
    """Return the first value of an integer string (IS)."""
    number = decimal(raw)
    return None if number is None else int(number)


def short(raw: bytes, little: bool = True) -> int:
    """Return an unsigned 16-bit value (US)."""
    return int.from_bytes(raw[:2], "little" if little else "big")


def doubles(raw: bytes, little: bool = True) -> Vector | None:
    """Return 64-bit floats (FD)."""
    import struct

    count = len(raw) // 8
    numbers = struct.unpack(f"{'<' if little else '>'}{count}d", raw[: 8 * count])
    return numbers if count and all(map(math.isfinite, numbers)) else None


def double(raw: bytes, little: bool = True) -> float | None:
    """Return the first 64-bit float."""
    numbers = doubles(raw[:8], little)
    return numbers[0] if numbers else None


def stored_value(raw: bytes, little: bool = True) -> bytes:
    """Return a 16-bit pixel value as little-endian bytes; its sign is known only with the whole header."""
    return raw[:2] if little else raw[1::-1]


Parser = Callable[[bytes, bool], Any]
SHARED: dict[int, tuple[str, Parser]] = {
    0x00080008: ("image_type", words),
    0x00080016: ("sop_class", text),
    0x00080031: ("series_time", text),
    0x00080032: ("acquisition_time", text),
    0x00080060: ("modality", lambda raw, _: modality(text(raw))),
    0x00080064: ("conversion", text),
    0x00080068: ("presentation", text),
    0x00080070: ("manufacturer", lambda raw, _: manufacturer(text(raw))),
    0x00080080: ("site", identifier),
    0x00100020: ("patient_id", identifier),
    0x00101030: ("weight", decimal),
    0x00180010: ("contrast", identifier),
    0x00180015: ("body_part", lambda raw, _: body_part(text(raw))),
    0x00180050: ("thickness", decimal),
    0x00180081: ("echo_time", decimal),
    0x00180086: ("echo", text),
    0x00180088: ("spacing_between", decimal),
    0x00181060: ("trigger", decimal),
    0x00181114: ("magnification", decimal),
    0x00181120: ("tilt", decimal),
    0x00181164: ("imager_spacing", decimals),
    0x00181210: ("kernel", identifier),
    0x00182010: ("nominal_spacing", decimals),
    0x00189087: ("b_value", double),
    0x00189089: ("gradient", doubles),
    0x0020000D: ("study_uid", text),
    0x0020000E: ("series_uid", text),
    0x00200012: ("acquisition", text),
    0x00200037: ("orientation", decimals),
    0x00200052: ("frame_of_reference", text),
    0x00200100: ("temporal", text),
    0x00280002: ("samples", short),
    0x00280004: ("photometric", text),
    0x00280006: ("planar", short),
    0x00280008: ("n_frames", integer),
    0x00280010: ("rows", short),
    0x00280011: ("columns", short),
    0x00280030: ("pixel_spacing", decimals),
    0x00280051: ("corrected", words),
    0x00280100: ("bits_allocated", short),
    0x00280101: ("bits_stored", short),
    0x00280102: ("high_bit", short),
    0x00280103: ("signed", lambda raw, little: short(raw, little) == 1),
    0x00280120: ("padding", stored_value),
    0x00280121: ("padding_limit", stored_value),
    0x00280301: ("burned_in", text),
    0x00281052: ("intercept", decimal),
    0x00281053: ("slope", decimal),
    0x00281054: ("rescale_type", text),
    0x00282110: ("lossy", lambda raw, _: text(raw) == "01"),
    0x00541001: ("units", text),
    0x00541102: ("decay", text),
    0x20500020: ("presentation_shape", text),
}
OWN = frozenset({0x00080018, 0x00200013, 0x00200032, 0x0019100A, 0x00291010})
WANTED = frozenset(SHARED) | OWN
_SHARED_TAGS = tuple(SHARED)


def attributes(found: Elements) -> Attributes:
    """Return the shared part of a header; equal raw values give the same object."""
    values = found.values
    return _attributes(tuple([values.get(tag) for tag in _SHARED_TAGS]), found.little)


@lru_cache(maxsize=256)
def _attributes(raws: tuple[bytes | None, ...], little: bool) -> Attributes:
    kept: dict[str, Any] = {}
    bad = False
    for raw, (name, parse) in zip(raws, SHARED.values(), strict=True):
        if not raw:
            continue
        try:
            value = parse(raw, little)
        except (ValueError, OverflowError):
            bad = True
            continue
        if value is not None:
            kept[name] = value
    kept["bad_values"] = bad
    return _sane(Attributes(**kept))


def _sane(shared: Attributes) -> Attributes:
    """Drop vectors of a wrong length or without direction, sizes that are not positive, and zero slopes."""
    return replace(
        shared,
        orientation=direction(shared.orientation),
        pixel_spacing=sizes(shared.pixel_spacing),
        imager_spacing=sizes(shared.imager_spacing),
        nominal_spacing=sizes(shared.nominal_spacing),
        magnification=shared.magnification if (shared.magnification or 0) > 0 else None,
        thickness=shared.thickness if (shared.thickness or 0) > 0 else None,
        slope=shared.slope or None,
        high_bit=shared.high_bit or max(shared.bits_stored - 1, 0),
        n_frames=max(shared.n_frames, 1),
    )


def direction(vector: Vector | None) -> Vector | None:
    """Return an orientation of two unit vectors at right angles (tolerance .01), or None."""
    if vector is None or len(vector) != 6:
        return None
    row, column = vector[:3], vector[3:]
    lengths = math.hypot(*row), math.hypot(*column)
    dot = sum(a * b for a, b in zip(row, column, strict=True))
    if max(abs(length - 1) for length in lengths) > 0.01 or abs(dot) > 0.01:
        return None
    return vector


def sizes(vector: Vector | None) -> Vector | None:
    """Return two positive millimetres (one stated value stands for both), or None."""
    if not vector or min(vector) <= 0 or len(vector) > 2:
        return None
    return vector if len(vector) == 2 else vector * 2


def place(raw: bytes | None) -> Vector | None:
    """Return a position of three numbers, or None."""
    try:
        vector = decimals(raw) if raw else None
    except ValueError:
        return None
    return vector if vector is not None and len(vector) == 3 else None
