"""Slices at one place: a cine where tags order them in time, volumes where an order tells them apart."""

from __future__ import annotations

import random

import pytest

from medcl.archive.dicom.header.model import TIME_KEYS
from medcl.archive.dicom.series.moments import cines, few_places, in_time, moments_of_place, split_by_order
from medcl.archive.dicom.series.slices import Slice, SliceSet, by_place
from tests.archive.dicom.series.slices import header, slice_at


def moments(key: str, values: list[object], z: float = 0.0) -> list[Slice]:
    """Return slices at one place, shuffled, with numbers that tell nothing."""
    slices = [slice_at(100 + number, z, **{key: value}) for number, value in enumerate(values)]
    random.Random(1).shuffle(slices)
    return slices


def files(slices: list[Slice]) -> list[int]:
    return [image.file - 100 for image in slices]


@pytest.mark.parametrize("key", TIME_KEYS)
def test_every_key_of_time_orders_moments(key: str) -> None:
    (cine,) = moments_of_place(SliceSet(moments(key, [5.0, 10.0, 15.0, 20.0, 100.0])))
    assert cine.is_cine
    assert files(cine.slices) == [0, 1, 2, 3, 4]
    assert cine.flags == set()


def test_numbers_are_compared_as_numbers() -> None:
    assert files(in_time(moments("acquisition", ["8", "9", "10", "11"]))) == [0, 1, 2, 3]


@pytest.mark.parametrize("values", [[1.0, 1.0, 2.0, 3.0], [None, 1.0, 2.0, 3.0], ["a", "b", "c", "d"]])
def test_equal_absent_and_worded_times_order_nothing(values: list[object]) -> None:
    assert in_time(moments("trigger", values)) == []


def test_contrasts_are_told_apart_before_moments() -> None:
    slices = [
        slice_at(10 * echo + moment, 0.0, echo_time=20.0 * (echo + 1), trigger=50.0 * moment)
        for echo in range(2)
        for moment in range(4)
    ]
    one, two = moments_of_place(SliceSet(slices))
    assert [image.file for image in one.slices] == [0, 1, 2, 3]
    assert [image.file for image in two.slices] == [10, 11, 12, 13]
    assert one.is_cine
    assert one.flags == two.flags == {"SPLIT"}


def test_three_moments_are_images_of_their_own() -> None:
    parts = moments_of_place(SliceSet(moments("trigger", [1.0, 2.0, 3.0])))
    assert [len(part.slices) for part in parts] == [1, 1, 1]
    assert not any(part.is_cine for part in parts)


def test_images_that_nothing_orders_are_a_conflict() -> None:
    slices = [Slice(n, header(7, (0.0, 0.0, 0.0), probe=n), slice_at(7, 0.0).frame) for n in range(4)]
    (part,) = moments_of_place(SliceSet(slices))
    assert part.flags == {"DUP_CONFLICT"}


def test_cines_are_one_for_each_place_or_none() -> None:
    slices = moments("trigger", [1.0, 2.0, 3.0, 4.0]) + moments("trigger", [1.0, 2.0, 3.0, 4.0], z=9.0)
    places = by_place(slices)
    assert few_places(places)
    assert [len(cine.slices) for cine in cines(SliceSet(slices), places)] == [4, 4]
    assert cines(SliceSet(slices[:-1]), by_place(slices[:-1])) == []


def test_times_that_tremble_from_place_to_place_tell_volumes_apart() -> None:
    slices = [
        slice_at(2 * place + phase, 2.0 * place, trigger=100.0 * phase + place)
        for place in range(5)
        for phase in range(2)
    ]
    first, second = split_by_order(SliceSet(slices), by_place(slices))
    assert [image.file for image in first.slices] == [0, 2, 4, 6, 8]
    assert first.flags == second.flags == {"SPLIT"}


def test_numbers_that_run_through_all_places_again_tell_volumes_apart() -> None:
    slices = [slice_at(5 * phase + place, 2.0 * place) for phase in range(2) for place in range(5)]
    parts = split_by_order(SliceSet(slices), by_place(slices))
    assert [[image.file for image in part.slices] for part in parts] == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
    assert parts[0].flags == {"SPLIT", "SPLIT_BY_NUMBER"}


@pytest.mark.parametrize("lost", [False, True], ids=["each place in turn", "a place has fewer"])
def test_no_other_order_does(lost: bool) -> None:
    slices = [slice_at(2 * place + phase, 2.0 * place) for phase in range(2) for place in range(5)]
    slices = slices[lost:]
    assert split_by_order(SliceSet(slices), by_place(slices)) == []
