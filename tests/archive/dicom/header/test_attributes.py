"""The shared part of a header: values as they are usable, and odd ones that are left out."""

from __future__ import annotations

import io
from typing import Any

import pytest

from medcl.archive.dicom.header.attributes import attributes
from medcl.archive.dicom.header.model import Attributes
from medcl.archive.dicom.header.parser import read_elements
from medcl.archive.dicom.header.read import ELEMENTS, SEQUENCES
from medcl.archive.dicom.tags import tag
from medcl.testing import phantom


def read(raw: dict[str, bytes] | None = None, **tags: Any) -> Attributes:
    """Return the attributes of a CT slice with further tags, and with raw bytes in place of some."""
    content = phantom.encoded(phantom.series(**tags)[0])
    elements = read_elements(io.BytesIO(content), len(content), ELEMENTS, SEQUENCES)
    assert elements is not None
    elements.values |= {tag(keyword): value for keyword, value in (raw or {}).items()}
    return attributes(elements)


def test_values_of_a_slice_are_there() -> None:
    shared = read()
    assert (shared.modality, shared.rows, shared.columns, shared.bits_stored) == ("CT", 40, 48, 12)
    assert (shared.slope, shared.intercept, shared.thickness) == (1, -1024, 3.6)
    assert shared.image_type == ("ORIGINAL", "PRIMARY", "AXIAL")
    assert shared.pixel_spacing == (3.5, 3.0)
    assert (shared.bad_values, shared.manufacturer, shared.n_frames) == (False, None, 1)


def test_equal_headers_are_one_object() -> None:
    assert read() is read()
    assert read() is not read(BodyPartExamined="CHEST")


@pytest.mark.parametrize(
    ("keyword", "raw", "name", "value"),
    [
        ("PixelSpacing", b"0.5", "pixel_spacing", (0.5, 0.5)),
        ("PixelSpacing", b"0\\1", "pixel_spacing", None),
        ("SliceThickness", b"-1", "thickness", None),
        ("SliceThickness", b"0", "thickness", None),
        ("RescaleSlope", b"0", "slope", None),
        ("NumberOfFrames", b"0", "n_frames", 1),
        ("ImageOrientationPatient", b"1\\0\\0\\1\\0\\0", "orientation", None),
        ("EstimatedRadiographicMagnificationFactor", b"0", "magnification", None),
        ("HighBit", b"\0\0", "high_bit", 11),
        ("Modality", b"XX", "modality", "unknown"),
        ("Manufacturer", b"SIEMENS Healthineers", "manufacturer", "Siemens"),
        ("BodyPartExamined", b"chest ", "body_part", "CHEST"),
        ("BodyPartExamined", b"Jane Doe", "body_part", None),
        ("LossyImageCompression", b"01", "lossy", True),
        ("LossyImageCompression", b"00", "lossy", False),
    ],
)
def test_a_value_is_kept_as_it_is_usable(keyword: str, raw: bytes, name: str, value: object) -> None:
    shared = read({keyword: raw})
    assert getattr(shared, name) == value
    assert not shared.bad_values


@pytest.mark.parametrize("raw", [b"abc", b"NaN", b"1e999"])
def test_a_value_that_is_no_number_is_left_out_and_said(raw: bytes) -> None:
    shared = read({"RescaleSlope": raw})
    assert shared.slope is None
    assert shared.bad_values


def test_numbers_of_scanners_stand_in_for_empty_standard_ones() -> None:
    ds = phantom.series()[0]
    ds.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0C, "IS", 1000)
    content = phantom.encoded(ds)
    elements = read_elements(io.BytesIO(content), len(content), ELEMENTS, SEQUENCES)
    assert elements is not None
    assert attributes(elements).b_value == 1000
    elements.values[tag("DiffusionBValue")] = b"\0\0\0\0\0\0\x59\x40"
    assert attributes(elements).b_value == 100
