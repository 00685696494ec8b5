"""Splitting a series into stacks of equal matrix and orientation, with one slice per position.

Of two slices with the same position and the same pixels, one is dropped. Slices with the same position and
different pixels are split by the first tag that differs between them. No step uses names of files or their
order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any

import numpy as np

from medcl.archive.dicom.header.model import SPLIT_KEYS
from medcl.archive.dicom.series.duplicates import PixelSums
from medcl.archive.dicom.series.moments import cines, few_places, moments_of_place, split_by_order
from medcl.archive.dicom.series.parallel import MIN_SLICES, is_whole, side_by_side, split_in_plane
from medcl.archive.dicom.series.slice_grid import SAME_PLACE_MM, same_orientation, same_spacing
from medcl.archive.dicom.series.slices import Slice, SliceSet, by_key, by_place, key_value, n_keys

COPY_KEYS = itemgetter(
    *map(
        SPLIT_KEYS.index,
        ("temporal", "echo_time", "echo", "b_value", "gradient", "trigger", "contrast", "kernel"),
    )
)
"""Keys in which a slice and its copy agree."""

HOUNSFIELD = frozenset({"", "HU", "US", "UNSPECIFIED", "HOUNSFIELD", "HOUNSFIELD UNIT", "HOUNSFIELD UNITS"})
"""Values of RescaleType with which a CT is in HU: those that name them, and those that name no unit."""


def split_geometry(slices: Sequence[Slice]) -> list[SliceSet]:
    """Split by matrix, pixel format, unit, frame of reference, orientation and pixel spacing."""
    formats: dict[Any, list[Slice]] = {}
    for image in slices:
        formats.setdefault(_format(image), []).append(image)
    slice_sets: list[SliceSet] = []
    for kind in sorted(formats):
        for alike in _alike(formats[kind]):
            slice_sets += split_spaces(SliceSet(alike))
    turned = any(not _parallel(slice_sets[0].slices[0], slice_set.slices[0]) for slice_set in slice_sets)
    for slice_set in slice_sets if len(slice_sets) > 1 else []:
        slice_set.flags.add("MIXED_ORIENT" if turned else "IRREGULAR_MATRIX")
    return slice_sets


def _format(image: Slice) -> tuple[Any, ...]:
    meaning = (image.header.shared.photometric, volume_unit(image), is_calibrated(image))
    return (*image.header.matrix, *meaning)


def is_calibrated(image: Slice) -> bool:
    """Return whether a slice states how stored values are converted to measured ones."""
    stated = image.frame.slope is not None and image.frame.intercept is not None
    return stated or image.header.modality_lut


def volume_unit(image: Slice) -> str:
    """Return the unit of a slice's measured values: `HU`, `SUV`, `Bq/ml` or `a.u.`."""
    header = image.header
    modality, kind = header.shared.modality, image.frame.rescale_type.upper()
    if modality == "CT" and is_calibrated(image):
        return "HU" if kind in HOUNSFIELD and "LOCALIZER" not in header.shared.image_type else "a.u."
    if modality != "PT" or image.frame.slope is None:
        return "a.u."
    return header.activity[0]


def _parallel(first: Slice, second: Slice) -> bool:
    assert first.frame.orientation is not None
    assert second.frame.orientation is not None
    return same_orientation(first.frame.orientation, second.frame.orientation)


def _alike(slices: Iterable[Slice]) -> list[list[Slice]]:
    """Group by orientation and pixel spacing with tolerance; the smallest values lead each group."""
    classes: dict[Any, list[Slice]] = {}
    for image in slices:
        classes.setdefault((image.frame.orientation, image.frame.spacing), []).append(image)
    leaders: list[tuple[Any, list[Slice]]] = []
    for key in sorted(classes):
        for leader, members in leaders:
            if same_orientation(leader[0], key[0]) and same_spacing(leader[1], key[1]):
                members.extend(classes[key])
                break
        else:
            leaders.append((key, list(classes[key])))
    return [members for _, members in leaders]


def split_spaces(slice_set: SliceSet) -> list[SliceSet]:
    """Split by frame of reference, unless nearly every slice claims one of its own and all form a grid.

    Slices without a frame of reference share that of their series if it has a single one.
    """
    spaces: dict[str, list[Slice]] = {}
    for image in slice_set.slices:
        spaces.setdefault(image.header.shared.frame_of_reference, []).append(image)
    if len(spaces) < 2 or (len(spaces) == 2 and "" in spaces):
        return [slice_set]
    n_places = len(by_place(slice_set.slices))
    if 2 * len(spaces) > n_places >= MIN_SLICES:
        joined = SliceSet(slice_set.slices, slice_set.flags | {"SPACES_JOINED"})
        if all(is_whole(part) for part in split_phases(joined)):
            return [joined]
    return slice_set.parts([spaces[uid] for uid in sorted(spaces)])


def drop_copies(slice_set: SliceSet, sums: PixelSums | None) -> list[Slice]:
    """Remove from a slice set the slices that repeat a position with the same pixels, and return them."""
    distinct: list[Slice] = []
    copies: list[Slice] = []
    for place in by_place(slice_set.slices):
        firsts: list[Slice] = []
        for image in place:
            (copies if any(_copy(first, image, sums) for first in firsts) else firsts).append(image)
        distinct += firsts
    slice_set.slices = distinct
    if copies:
        slice_set.flags.add("DUP_DROPPED")
    return copies


def _copy(first: Slice, second: Slice, sums: PixelSums | None) -> bool:
    """Return whether two slices at one depth are copies: same position, same tags, same pixels."""
    a, b = first.header, second.header
    if first.frame.index != second.frame.index or a.functional or b.functional:
        return False
    if COPY_KEYS(first.frame.keys) != COPY_KEYS(second.frame.keys):
        return False
    if (first.frame.slope, first.frame.intercept) != (second.frame.slope, second.frame.intercept):
        return False
    between = np.array(first.frame.position) - np.array(second.frame.position)
    if np.abs(between).max() > SAME_PLACE_MM:
        return False
    sampled = (a.probe, a.pixel_length, a.syntax) == (b.probe, b.pixel_length, b.syntax)
    if sums is None or (a.syntax == b.syntax and not sampled):
        return sampled
    return sums.same((first.file, a), (second.file, b))


def split_phases(slice_set: SliceSet) -> list[SliceSet]:
    """Split until no place holds two slices, or only moments of it.

    A set that cannot be split keeps DUP_CONFLICT.
    """
    places = by_place(slice_set.slices)
    most = max(map(len, places))
    if most == 1:
        return side_by_side(SliceSet([place[0] for place in places], slice_set.flags))
    beside = split_in_plane(slice_set)
    if len(beside) == 1 and len(places) == 1:
        return moments_of_place(slice_set)
    if len(beside) == 1 and few_places(places) and (loops := cines(slice_set, places)):
        return loops
    parts = _by_tag(slice_set, places) or (beside if len(beside) > 1 else split_by_order(slice_set, places))
    if parts:
        return [final for part in parts for final in split_phases(part)]
    return cines(slice_set, places) or [SliceSet(slice_set.slices, slice_set.flags | {"DUP_CONFLICT"})]


def _by_tag(slice_set: SliceSet, places: Sequence[Sequence[Slice]]) -> list[SliceSet]:
    """Return the parts into which the first tag that separates slices of one place splits a set."""
    for number in range(n_keys(slice_set.slices) if len(places) > 1 else 0):
        parts = by_key(slice_set.slices, number)
        if 1 < len(parts) <= len(slice_set.slices) / 2 and _separates(places, number):
            return slice_set.parts(parts, "SPLIT")
    return []


def _separates(places: Sequence[Sequence[Slice]], number: int) -> bool:
    """Return whether a tag differs between slices of one position and has a value that most positions share.

    A trigger time that varies a little from slice to slice does not.
    """
    if all(len({key_value(image, number) for image in place}) == 1 for place in places):
        return False
    positions_by_key: dict[Any, list[int]] = {}
    for number_of_place, place in enumerate(places):
        for key in {key_value(image, number) for image in place}:
            positions_by_key.setdefault(key, []).append(number_of_place)
    commonest = max(positions_by_key.values(), key=len)
    return 2 * len(commonest) > commonest[-1] - commonest[0]
