"""What the pixels of an image measure; never a guess."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from medcl.archive.dicom.header.model import Region
from medcl.archive.dicom.series.projection import (
    image_flags,
    image_spacing,
    image_unit,
    inversion_flags,
    is_inverted,
)
from tests.archive.dicom.series.slices import header

NONE: dict[str, Any] = {"pixel_spacing": None, "slope": None, "intercept": None, "modality": "DX"}


@pytest.mark.parametrize(
    ("changes", "spacing", "flag"),
    [
        ({}, None, "SPACING_UNKNOWN"),
        ({"pixel_spacing": (0.2, 0.2)}, (0.2, 0.2), ""),
        ({"imager_spacing": (0.2, 0.2)}, (0.2, 0.2), "SPACING_AT_DETECTOR"),
        ({"imager_spacing": (0.2, 0.2), "magnification": 2.0}, (0.1, 0.1), ""),
        ({"imager_spacing": (0.2, 0.2), "pixel_spacing": (0.2, 0.2)}, (0.2, 0.2), "SPACING_AT_DETECTOR"),
        ({"imager_spacing": (0.2, 0.2), "pixel_spacing": (0.18, 0.18)}, (0.18, 0.18), ""),
        ({"nominal_spacing": (0.4, 0.4)}, (0.4, 0.4), ""),
    ],
)
def test_spacing_is_the_first_that_the_header_states_and_says_where(
    changes: dict[str, Any], spacing: tuple[float, float] | None, flag: str
) -> None:
    head = header(1, **(NONE | changes))
    assert image_spacing(head) == (None if spacing is None else pytest.approx(spacing))
    assert image_flags(head) == {"NO_GEOM", *filter(None, [flag])}


def test_an_ultrasound_region_comes_first() -> None:
    head = header(1, **(NONE | {"imager_spacing": (0.2, 0.2)}))
    region = Region(0, 8, 0, 6, (0.3, 0.4))
    assert image_spacing(head, region) == (0.3, 0.4)
    assert image_flags(head, region) == {"NO_GEOM"}


@pytest.mark.parametrize(
    ("photometric", "shape", "inverted"),
    [
        ("MONOCHROME1", "", True),
        ("MONOCHROME1", "INVERSE", True),
        ("MONOCHROME1", "IDENTITY", True),
        ("MONOCHROME2", "INVERSE", True),
        ("MONOCHROME2", "IDENTITY", False),
        ("RGB", "INVERSE", False),
    ],
)
def test_an_image_is_inverted_once(photometric: str, shape: str, inverted: bool) -> None:
    head = header(1, modality="DX", photometric=photometric, presentation_shape=shape)
    assert is_inverted(head) is inverted
    assert inversion_flags(head) == ({"MONO1_INVERTED"} if inverted else set())
    measured = header(1, photometric=photometric, presentation_shape=shape)
    assert not is_inverted(measured), "HU are HU however they are shown"
    assert inversion_flags(measured) == ({"MONO1_KEPT"} if inverted else set())


def test_palettes_tables_and_localizers_are_flagged() -> None:
    assert "PALETTE" in image_flags(header(1, photometric="PALETTE COLOR"))
    assert "LUT_APPLIED" in image_flags(replace(header(1), modality_lut=True))
    assert "SCOUT" in image_flags(header(1, image_type=("ORIGINAL", "PRIMARY", "LOCALIZER")))


@pytest.mark.parametrize(
    ("changes", "lut", "unit"),
    [
        ({"bits_allocated": 8}, False, "display"),
        ({"bits_allocated": 8, "slope": 1.0, "intercept": 0.0}, False, "display"),
        ({"bits_allocated": 8, "slope": 2.0}, False, "a.u."),
        ({"bits_allocated": 8, "intercept": -5.0}, False, "a.u."),
        ({"bits_allocated": 8}, True, "a.u."),
        ({"bits_allocated": 16}, False, "a.u."),
    ],
)
def test_plain_8_bit_images_are_for_display(changes: dict[str, Any], lut: bool, unit: str) -> None:
    assert image_unit(replace(header(1, **(NONE | changes)), modality_lut=lut)) == unit
