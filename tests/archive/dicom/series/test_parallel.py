"""Parallel stacks of one series: where tags and places say that there are two, and where they do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from medcl.archive.dicom.series.parallel import (
    EVEN,
    GAPS,
    UNEVEN,
    evenness,
    is_whole,
    side_by_side,
    split_in_plane,
)
from medcl.archive.dicom.series.slices import Slice, SliceSet
from tests.archive.dicom.series.slices import slice_at


def heights(part: SliceSet) -> list[float]:
    return [image.frame.position[2] for image in part.slices if image.frame.position is not None]


def beside(image: Slice, mm: float) -> Slice:
    """Return a slice moved along its rows."""
    assert image.frame.position is not None
    x, y, z = image.frame.position
    return replace(image, frame=replace(image.frame, position=(x + mm, y, z)))


@pytest.mark.parametrize(
    ("along", "expected"),
    [
        ([0, 2, 4, 6], EVEN),
        ([*range(0, 40, 2)], EVEN),
        ([*range(0, 20, 2), *range(22, 42, 2)], GAPS),
        ([0, 1, 3, 4, 6, 7, 9, 10], UNEVEN),
    ],
)
def test_depths_are_even_or_have_gaps_or_neither(along: list[float], expected: int) -> None:
    assert evenness(np.array(along, dtype=float)) == expected


def test_a_volume_is_four_slices_in_one_row() -> None:
    assert is_whole(SliceSet([slice_at(n, 2 * n) for n in range(4)]))
    assert not is_whole(SliceSet([slice_at(n, 2 * n) for n in range(3)]))
    assert not is_whole(SliceSet([slice_at(n, n * n) for n in range(6)]))
    assert not is_whole(SliceSet([slice_at(n, 2 * n) for n in range(4)], is_cine=True))
    assert not is_whole(SliceSet([slice_at(n, 2 * n) for n in range(4)], {"DUP_CONFLICT"}))


@pytest.mark.parametrize("mm", [0.1, 3.0])
def test_stacks_at_the_same_depths_are_two_where_their_corners_are_two(mm: float) -> None:
    left = [slice_at(n, 2 * n) for n in range(4)]
    right = [beside(slice_at(10 + n, 2 * n), mm) for n in range(4)]
    parts = split_in_plane(SliceSet([*left, *right]))
    if mm < 0.25:  # half a pixel
        assert len(parts) == 1
        assert parts[0].flags == set()
    else:
        assert [{image.file // 10 for image in part.slices} for part in parts] == [{0}, {1}]
        assert all(part.flags == {"PARALLEL_STACKS"} for part in parts)


@pytest.mark.parametrize(("mm", "count"), [(0.2, 1), (4.0, 2)], ids=["a shift", "another field of view"])
def test_stacks_at_other_depths_are_two_where_their_fields_of_view_are(mm: float, count: int) -> None:
    one = [slice_at(n, 2 * n) for n in range(4)]
    two = [beside(slice_at(10 + n, 2 * n + 8), mm) for n in range(4)]
    assert len(split_in_plane(SliceSet([*one, *two]))) == count


def test_two_phases_between_whose_slices_the_table_moved_are_two_volumes() -> None:
    slices = [slice_at(n, 3 * n, acquisition="1") for n in range(5)]
    slices += [slice_at(10 + n, 3 * n + 1, acquisition="2") for n in range(5)]
    parts = side_by_side(SliceSet(slices))
    assert sorted(heights(part) for part in parts) == [[0, 3, 6, 9, 12], [1, 4, 7, 10, 13]]


def test_reconstructions_that_are_woven_together_are_two() -> None:
    thick = [slice_at(n, 4.0 * n, thickness=4.0) for n in range(5)]
    thin = [slice_at(10 + n, 4.0 * n + 2.0, thickness=1.0) for n in range(5)]
    parts = side_by_side(SliceSet([*thick, *thin]))
    assert sorted({image.file // 10 for image in part.slices} == {0} for part in parts) == [False, True]
    assert all(part.flags == {"SPLIT"} for part in parts)


def test_even_slices_are_one_whatever_the_tags_of_their_acquisitions() -> None:
    slices = [slice_at(n, 2 * n, acquisition=str(n % 2)) for n in range(8)]
    (part,) = side_by_side(SliceSet(slices))
    assert heights(part) == [0, 2, 4, 6, 8, 10, 12, 14]
    assert part.flags == set()


def test_sweeps_of_the_table_are_told_apart_by_their_numbers() -> None:
    slices = [slice_at(n, 3 * n) for n in range(5)] + [slice_at(5 + n, 3 * n + 1) for n in range(5)]
    parts = side_by_side(SliceSet(slices))
    assert sorted(heights(part) for part in parts) == [[0, 3, 6, 9, 12], [1, 4, 7, 10, 13]]
    assert all(part.flags == {"SPLIT", "SPLIT_BY_NUMBER"} for part in parts)


@pytest.mark.parametrize(("first_number", "count"), [(6, 2), (26, 1)], ids=["planned", "slices are missing"])
def test_a_wide_gap_is_between_two_slabs_only_where_no_slices_are_missing(
    first_number: int, count: int
) -> None:
    """From 10 to 52 mm, there is room for 20 slices."""
    slices = [slice_at(n, 2 * n) for n in range(6)]
    slices += [slice_at(first_number + n, 52 + 2 * n) for n in range(6)]
    parts = side_by_side(SliceSet(slices))
    assert len(parts) == count
    assert all(part.flags == ({"PARALLEL_STACKS"} if count == 2 else set()) for part in parts)
