"""Splitting the pictures of one series into stacks: same matrix, same orientation, one slice a place.

What stands twice with the same pixels is dropped; what stands twice and differs is split by the first tag
that tells it apart, else by the order in which it was acquired. No step looks at file names or numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from medcl.archive.dicom.header.model import SPLIT_KEYS, DicomHeader, Frame
from medcl.archive.dicom.series.duplicates import PixelSums
from medcl.archive.dicom.series.slice_grid import (
    SAME_PLACE_MM,
    is_even,
    normal,
    same_orientation,
    same_spacing,
)


@dataclass(frozen=True, slots=True)
class Slice:
    """One picture of one file."""

    file: int = field(compare=False)
    header: DicomHeader
    frame: Frame

    @property
    def identity(self) -> tuple[str, int, int]:
        """What names the picture by its content: never the file's name or number."""
        return self.header.sop_uid, self.header.probe, self.frame.index

    @property
    def turn(self) -> tuple[int, tuple[int, ...], int]:
        """The order of acquisition, as far as the header tells."""
        instance = self.header.instance
        return instance if instance is not None else 1 << 62, self.frame.dimensions, self.frame.index

    @property
    def taken(self) -> tuple[Any, ...]:
        """The order of acquisition, made complete by content."""
        return (*self.turn, *self.identity[:2])


@dataclass
class Bundle:
    """Slices that belong together, and the flags that splitting earned."""

    slices: list[Slice]
    flags: set[str] = field(default_factory=set)


def split_geometry(slices: Sequence[Slice]) -> list[Bundle]:
    """Split by matrix, pixel format, unit, frame of reference, orientation and pixel spacing."""
    formats: dict[Any, list[Slice]] = {}
    for piece in slices:
        formats.setdefault(_format(piece), []).append(piece)
    bundles: list[Bundle] = []
    for kind in sorted(formats):
        bundles += [Bundle(alike) for alike in _alike(formats[kind])]
    turned = any(not _parallel(bundles[0].slices[0], bundle.slices[0]) for bundle in bundles)
    for bundle in bundles if len(bundles) > 1 else []:
        bundle.flags.add("MIXED_ORIENT" if turned else "IRREGULAR_MATRIX")
    return bundles


def _format(piece: Slice) -> tuple[Any, ...]:
    shared = piece.header.shared
    meaning = (shared.photometric, volume_unit(piece), is_calibrated(piece))
    return (*piece.header.matrix, *meaning, shared.frame_of_reference)


def is_calibrated(piece: Slice) -> bool:
    """True when a slice says how its stored values become measured ones."""
    stated = piece.frame.slope is not None and piece.frame.intercept is not None
    return stated or piece.header.modality_lut


def volume_unit(piece: Slice) -> str:
    """Return the unit of a slice's measured values: `HU`, `SUV`, `Bq/ml` or `a.u.`."""
    header = piece.header
    modality, kind = header.shared.modality, piece.frame.rescale_type.upper()
    if modality == "CT" and is_calibrated(piece):
        return "HU" if kind in ("", "HU", "US") and "LOCALIZER" not in header.shared.image_type else "a.u."
    if modality != "PT":
        return "a.u."
    return "SUV" if header.suv is not None else {"BQML": "Bq/ml"}.get(header.shared.units, "a.u.")


def _parallel(first: Slice, second: Slice) -> bool:
    assert first.frame.orientation is not None
    assert second.frame.orientation is not None
    return same_orientation(first.frame.orientation, second.frame.orientation)


def _alike(slices: Iterable[Slice]) -> list[list[Slice]]:
    """Group by orientation and pixel spacing with tolerance; the smallest values lead each group."""
    classes: dict[Any, list[Slice]] = {}
    for piece in slices:
        classes.setdefault((piece.frame.orientation, piece.frame.spacing), []).append(piece)
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
    axes = min(slices, key=lambda piece: piece.identity).frame.orientation
    assert axes is not None
    x, y, z = normal(axes)
    deep = []
    for piece in slices:
        assert piece.frame.position is not None
        a, b, c = piece.frame.position
        deep.append((a * x + b * y + c * z, piece.taken, piece))
    deep.sort(key=lambda entry: entry[:2])
    places: list[list[Slice]] = []
    last = float("-inf")
    for place, _, piece in deep:
        if place - last > SAME_PLACE_MM:
            places.append([])
            last = place
        places[-1].append(piece)
    return places


def drop_copies(bundle: Bundle, sums: PixelSums | None) -> list[Slice]:
    """Take slices that stand twice with the same pixels out of the bundle; returns them."""
    kept: list[Slice] = []
    copies: list[Slice] = []
    for place in by_place(bundle.slices):
        firsts: list[Slice] = []
        for piece in place:
            (copies if any(_copy(first, piece, sums) for first in firsts) else firsts).append(piece)
        kept += firsts
    bundle.slices = kept
    if copies:
        bundle.flags.add("DUP_DROPPED")
    return copies


def _copy(first: Slice, second: Slice, sums: PixelSums | None) -> bool:
    """True when two slices at one place are one stored twice: same tags, same pixels."""
    a, b = first.header, second.header
    if first.frame.index != second.frame.index or a.functional or b.functional:
        return False
    if first.frame.keys[1:-1] != second.frame.keys[1:-1]:
        return False
    sampled = (a.probe, a.pixel_length, a.syntax) == (b.probe, b.pixel_length, b.syntax)
    if sums is None or (a.syntax == b.syntax and not sampled):
        return sampled
    return sums.same((first.file, a), (second.file, b))


def split_phases(bundle: Bundle) -> list[Bundle]:
    """Split until no place holds two slices; a bundle that cannot be split keeps DUP_CONFLICT."""
    places = by_place(bundle.slices)
    most = max(map(len, places))
    if most == 1:
        return _side_by_side(Bundle([place[0] for place in places], bundle.flags))
    for number in range(len(SPLIT_KEYS)):
        parts = _by_key(bundle.slices, number)
        if 1 < len(parts) <= len(bundle.slices) / 2 and _separates(places, number):
            flags = bundle.flags | {"SPLIT"}
            return [final for part in parts for final in split_phases(Bundle(part, set(flags)))]
    if all(len(place) == most and _in_turn(place) for place in places):
        rounds = [[place[turn] for place in places] for turn in range(most)]
        return [Bundle(taken, bundle.flags | {"SPLIT"}) for taken in rounds]
    return [Bundle(bundle.slices, bundle.flags | {"DUP_CONFLICT"})]


def _side_by_side(bundle: Bundle) -> list[Bundle]:
    """Split slices at uneven distances by the first tag whose values stand at even ones over one range: two
    phases between whose slices the table moved.
    """
    if is_even(np.diff(_depths(bundle.slices))):
        return [bundle]
    for number in range(len(SPLIT_KEYS)):
        parts = _by_key(bundle.slices, number)
        depths = [_depths(part) for part in parts]
        together = max(depth[0] for depth in depths) < min(depth[-1] for depth in depths)
        if len(parts) > 1 and together and all(is_even(np.diff(depth)) for depth in depths):
            return [Bundle(part, bundle.flags | {"SPLIT"}) for part in parts]
    return [bundle]


def _depths(slices: Sequence[Slice]) -> np.ndarray:
    """Return places along the normal of the first slice, ascending, mm."""
    assert slices[0].frame.orientation is not None
    positions = np.array([piece.frame.position for piece in slices])
    return np.sort(positions @ normal(slices[0].frame.orientation))


def _in_turn(place: Sequence[Slice]) -> bool:
    """True when the header says in which order the slices of one place were taken."""
    known = all(piece.header.instance is not None or piece.header.functional for piece in place)
    return known and len({piece.turn for piece in place}) == len(place)


def _by_key(slices: Sequence[Slice], number: int) -> list[list[Slice]]:
    parts: dict[Any, list[Slice]] = {}
    for piece in slices:
        parts.setdefault(piece.frame.keys[number], []).append(piece)
    return [parts[key] for key in sorted(parts, key=repr)]


def _separates(places: Sequence[Sequence[Slice]], number: int) -> bool:
    """True when a tag differs within some place, and its commonest value is no comb with most slices missing
    (as that of a trigger time which trembles from slice to slice is).
    """
    if all(len({piece.frame.keys[number] for piece in place}) == 1 for place in places):
        return False
    turns: dict[Any, list[int]] = {}
    for turn, place in enumerate(places):
        for key in {piece.frame.keys[number] for piece in place}:
            turns.setdefault(key, []).append(turn)
    commonest = max(turns.values(), key=len)
    return 2 * len(commonest) > commonest[-1] - commonest[0]
