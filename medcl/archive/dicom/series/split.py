"""Splitting a series into stacks of equal matrix and orientation, with one slice per position.

Of two slices with the same position and the same pixels, one is dropped. Slices with the same position and
different pixels are split by the first tag that differs between them, else by the order of acquisition. No
step uses file names or instance numbers of files.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from medcl.archive.dicom.header.model import DicomHeader, Frame
from medcl.archive.dicom.series.duplicates import PixelSums
from medcl.archive.dicom.series.slice_grid import (
    SAME_PLACE_MM,
    is_even,
    normal,
    same_orientation,
    same_spacing,
)

HOUNSFIELD = frozenset({"", "HU", "US", "UNSPECIFIED", "HOUNSFIELD", "HOUNSFIELD UNIT", "HOUNSFIELD UNITS"})
"""Values of RescaleType with which a CT is in HU: those that name them, and those that name no unit."""


@dataclass(frozen=True, slots=True)
class Slice:
    """One frame of one file."""

    file: int = field(compare=False)
    header: DicomHeader
    frame: Frame

    @property
    def identity(self) -> tuple[str, int, int]:
        """Identifier of the frame by its content, never by the file's name or number."""
        return self.header.sop_uid, self.header.probe, self.frame.index

    @property
    def acquisition_order(self) -> tuple[int, tuple[int, ...], int]:
        """The order of acquisition, as far as the header states it."""
        instance = self.header.instance
        return instance if instance is not None else 1 << 62, self.frame.dimensions, self.frame.index

    @property
    def sort_key(self) -> tuple[Any, ...]:
        """The order of acquisition, made complete by content."""
        return (*self.acquisition_order, *self.identity[:2])


@dataclass
class SliceSet:
    """Slices that belong together, and the flags that splitting raised."""

    slices: list[Slice]
    flags: set[str] = field(default_factory=set)


def split_geometry(slices: Sequence[Slice]) -> list[SliceSet]:
    """Split by matrix, pixel format, unit, frame of reference, orientation and pixel spacing."""
    formats: dict[Any, list[Slice]] = {}
    for image in slices:
        formats.setdefault(_format(image), []).append(image)
    slice_sets: list[SliceSet] = []
    for kind in sorted(formats):
        slice_sets += [SliceSet(alike) for alike in _alike(formats[kind])]
    turned = any(not _parallel(slice_sets[0].slices[0], slice_set.slices[0]) for slice_set in slice_sets)
    for slice_set in slice_sets if len(slice_sets) > 1 else []:
        slice_set.flags.add("MIXED_ORIENT" if turned else "IRREGULAR_MATRIX")
    return slice_sets


def _format(image: Slice) -> tuple[Any, ...]:
    shared = image.header.shared
    meaning = (shared.photometric, volume_unit(image), is_calibrated(image))
    return (*image.header.matrix, *meaning, shared.frame_of_reference)


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


def by_place(slices: Sequence[Slice]) -> list[list[Slice]]:
    """Return the slices sorted along their normal, those at one place together.

    The normal is that of the slice that was taken first, so that tiny differences in orientation between
    slices do not change their order.
    """
    axes = min(slices, key=lambda image: image.identity).frame.orientation
    assert axes is not None
    x, y, z = normal(axes)
    deep = []
    for image in slices:
        assert image.frame.position is not None
        a, b, c = image.frame.position
        deep.append((a * x + b * y + c * z, image.sort_key, image))
    deep.sort(key=lambda entry: entry[:2])
    places: list[list[Slice]] = []
    last = float("-inf")
    for place, _, image in deep:
        if place - last > SAME_PLACE_MM:
            places.append([])
            last = place
        places[-1].append(image)
    return places


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
    """Return whether two slices at one position are copies: same tags, same pixels."""
    a, b = first.header, second.header
    if first.frame.index != second.frame.index or a.functional or b.functional:
        return False
    if first.frame.keys[1:-1] != second.frame.keys[1:-1]:
        return False
    sampled = (a.probe, a.pixel_length, a.syntax) == (b.probe, b.pixel_length, b.syntax)
    if sums is None or (a.syntax == b.syntax and not sampled):
        return sampled
    return sums.same((first.file, a), (second.file, b))


def split_phases(slice_set: SliceSet) -> list[SliceSet]:
    """Split until no place holds two slices; a slice_set that cannot be split keeps DUP_CONFLICT."""
    places = by_place(slice_set.slices)
    most = max(map(len, places))
    if most == 1:
        return _side_by_side(SliceSet([place[0] for place in places], slice_set.flags))
    for number in range(_n_keys(slice_set)):
        parts = _by_key(slice_set.slices, number)
        if 1 < len(parts) <= len(slice_set.slices) / 2 and _separates(places, number):
            flags = slice_set.flags | {"SPLIT"}
            return [final for part in parts for final in split_phases(SliceSet(part, set(flags)))]
    if all(len(place) == most and _in_turn(place) for place in places):
        volumes = [[place[number] for place in places] for number in range(most)]
        return [SliceSet(slices, slice_set.flags | {"SPLIT"}) for slices in volumes]
    return [SliceSet(slice_set.slices, slice_set.flags | {"DUP_CONFLICT"})]


def _n_keys(slice_set: SliceSet) -> int:
    """Return how many keys all slices have; frames of an enhanced object have more than `SPLIT_KEYS`."""
    return min(len(image.frame.keys) for image in slice_set.slices)


def _side_by_side(slice_set: SliceSet) -> list[SliceSet]:
    """Split unevenly spaced slices by the first tag whose values are evenly spaced over one range.

    These are two phases between whose slices the table moved.
    """
    if is_even(np.diff(_depths(slice_set.slices))):
        return [slice_set]
    for number in range(_n_keys(slice_set)):
        parts = _by_key(slice_set.slices, number)
        depths = [_depths(part) for part in parts]
        together = max(depth[0] for depth in depths) < min(depth[-1] for depth in depths)
        if len(parts) > 1 and together and all(is_even(np.diff(depth)) for depth in depths):
            return [SliceSet(part, slice_set.flags | {"SPLIT"}) for part in parts]
    return [slice_set]


def _depths(slices: Sequence[Slice]) -> np.ndarray:
    """Return places along the normal of the first slice, ascending, mm."""
    assert slices[0].frame.orientation is not None
    positions = np.array([image.frame.position for image in slices])
    return np.sort(positions @ normal(slices[0].frame.orientation))


def _in_turn(place: Sequence[Slice]) -> bool:
    """Return whether the header states the order in which the slices of one position were acquired."""
    ordered = all(image.header.instance is not None or image.header.functional for image in place)
    return ordered and len({image.acquisition_order for image in place}) == len(place)


def _by_key(slices: Sequence[Slice], number: int) -> list[list[Slice]]:
    parts: dict[Any, list[Slice]] = {}
    for image in slices:
        parts.setdefault(image.frame.keys[number], []).append(image)
    return [parts[key] for key in sorted(parts, key=repr)]


def _separates(places: Sequence[Sequence[Slice]], number: int) -> bool:
    """Return whether a tag differs between slices of one position and has a value that most positions share.

    A trigger time that varies a little from slice to slice does not.
    """
    if all(len({image.frame.keys[number] for image in place}) == 1 for place in places):
        return False
    positions_by_key: dict[Any, list[int]] = {}
    for number_of_place, place in enumerate(places):
        for key in {image.frame.keys[number] for image in place}:
            positions_by_key.setdefault(key, []).append(number_of_place)
    commonest = max(positions_by_key.values(), key=len)
    return 2 * len(commonest) > commonest[-1] - commonest[0]
