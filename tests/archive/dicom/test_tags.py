"""Tags by the keywords of the standard."""

from __future__ import annotations

import pytest
from pydicom.datadict import keyword_for_tag

from medcl.archive.dicom import tags


def test_a_keyword_is_its_tag() -> None:
    assert tags.tag("PatientID") == 0x00100020
    assert tags.tag("PixelData") == 0x7FE00010


def test_a_keyword_that_the_standard_lacks_is_an_error() -> None:
    with pytest.raises(KeyError, match="PatientNumber"):
        tags.tag("PatientNumber")


def test_pixels_are_the_three_elements_that_may_hold_them() -> None:
    assert {keyword_for_tag(number): keyword for number, keyword in tags.PIXELS.items()} == {
        name: name for name in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
    }


def test_private_tags_are_of_odd_groups_and_their_blocks() -> None:
    blocks = {tags.BLOCK_19, tags.BLOCK_43, tags.BLOCK_2001, tags.BLOCK_2005}
    private = [tags.SIEMENS_CSA, tags.SIEMENS_IMAGES_IN_MOSAIC, tags.SIEMENS_B_VALUE, tags.SIEMENS_GRADIENT]
    private += [tags.GE_B_VALUE, *tags.GE_GRADIENT, tags.PHILIPS_B_VALUE, *tags.PHILIPS_GRADIENT]
    for number in (*private, tags.PHILIPS_SCALE_SLOPE):
        assert number >> 16 & 1
        assert number >> 8 & 0xFF == 0x10
    assert all(block & 0xFFFF == 0x10 for block in blocks)
