"""The part of a header that files of a series share: which elements it is made of, and how they are read.

Files of a series agree in most values, so equal raw values are parsed once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

from medcl.archive.dicom.header.elements import Elements
from medcl.archive.dicom.header.model import Attributes
from medcl.archive.dicom.header.private import PRIVATE, maker_facts
from medcl.archive.dicom.header.values import (
    decimal,
    decimals,
    direction,
    double,
    doubles,
    identifier,
    integer,
    short,
    single,
    sizes,
    stored_value,
    text,
    words,
)
from medcl.archive.vocabulary import body_part, manufacturer, modality

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
    0x00209161: ("concatenation", text),
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
    0x00280122: ("float_padding", single),
    0x00280123: ("double_padding", double),
    0x00280301: ("burned_in", text),
    0x00281052: ("intercept", decimal),
    0x00281053: ("slope", decimal),
    0x00281054: ("rescale_type", text),
    0x00282110: ("lossy", lambda raw, _: text(raw) == "01"),
    0x00541001: ("units", text),
    0x00541006: ("suv_type", text),
    0x00541102: ("decay", text),
    0x20500020: ("presentation_shape", text),
}
OWN = frozenset({0x00080018, 0x00200013, 0x00200032, 0x0019100A, 0x00291010})
WANTED = frozenset(SHARED) | PRIVATE | OWN
_SHARED_TAGS = (*SHARED, *sorted(PRIVATE))


def attributes(found: Elements) -> Attributes:
    """Return the shared part of a header; equal raw values give the same object."""
    values = found.values
    return _attributes(tuple([values.get(tag) for tag in _SHARED_TAGS]), found.little)


@lru_cache(maxsize=256)
def _attributes(raws: tuple[bytes | None, ...], little: bool) -> Attributes:
    kept: dict[str, Any] = maker_facts(dict(zip(_SHARED_TAGS, raws, strict=True)), little)
    bad = False
    for raw, (name, parse) in zip(raws, SHARED.values(), strict=False):
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
        scale_slope=shared.scale_slope or None,
        high_bit=shared.high_bit or max(shared.bits_stored - 1, 0),
        n_frames=max(shared.n_frames, 1),
    )
