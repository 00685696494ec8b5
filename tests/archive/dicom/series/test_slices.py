"""Slices along their normal, and parts of them that share a tag."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from medcl.archive.dicom.header.model import SPLIT_KEYS
from medcl.archive.dicom.series.slices import (
    Slice,
    SliceSet,
    axis,
    by_key,
    by_place,
    depths,
    key_value,
    n_keys,
)
from tests.archive.dicom.series.slices import slice_at

ECHO_TIME = SPLIT_KEYS.index("echo_time")
THICKNESS = SPLIT_KEYS.index("thickness")


def test_slices_are_sorted_along_their_normal_whatever_their_order() -> None:
    places = by_place([slice_at(3, 4.0), slice_at(1, 0.0), slice_at(2, 4.002), slice_at(4, 2.0)])
    assert [[image.file for image in place] for place in places] == [[1], [4], [3, 2]]


def test_depths_are_millimeters_along_the_normal_in_the_order_given() -> None:
    slices = [slice_at(1, 4.0), slice_at(2, -2.5)]
    assert axis(slices) == (0.0, 0.0, 1.0)
    np.testing.assert_array_equal(depths(slices), [4.0, -2.5])


def test_the_order_along_the_normal_does_not_depend_on_who_comes_first() -> None:
    turned = replace(slice_at(1, 0.0).frame, orientation=(1.0, 1e-4, 0.0, -1e-4, 1.0, 1e-5))
    slices = [Slice(1, slice_at(1, 0.0).header, turned), slice_at(2, 3.0)]
    assert axis(slices) == axis(slices[::-1])


def test_content_and_not_the_file_names_a_slice() -> None:
    image = slice_at(4, 1.0)
    renamed = replace(image, file=77)
    assert renamed == image
    assert renamed.sort_key == image.sort_key
    assert image.identity == ("1.4", 4, image.frame.index)


def test_slices_without_a_number_come_last() -> None:
    image = slice_at(1, 0.0)
    nameless = replace(image, header=replace(image.header, instance=None))
    assert max([nameless, slice_at(10**6, 0.0)], key=lambda one: one.sort_key) == nameless


def test_parts_share_the_value_of_a_key() -> None:
    slices = [slice_at(number, number, echo_time=time) for number, time in enumerate([30.0, 10.0, 30.0])]
    assert slices[0].key("echo_time") == 30.0
    assert [[image.file for image in part] for part in by_key(slices, ECHO_TIME)] == [[1], [0, 2]]
    assert n_keys(slices) == len(SPLIT_KEYS)


@pytest.mark.parametrize(("thickness", "value"), [(1.2501, "1.3"), (5.0, "5"), (4.9996, "5"), (None, None)])
def test_a_thickness_is_compared_to_two_digits(thickness: float | None, value: str | None) -> None:
    assert key_value(slice_at(1, 0.0, thickness=thickness), THICKNESS) == value


def test_parts_keep_the_flags_of_their_set_and_earn_their_own() -> None:
    slices = [slice_at(1, 0.0), slice_at(2, 1.0)]
    whole = SliceSet(slices, {"GAP"})
    one, two = whole.parts([[slices[0]], [slices[1]]], "SPLIT")
    assert one.flags == two.flags == {"GAP", "SPLIT"}
    assert whole.flags == {"GAP"}
