"""Slices, sets of them that may be one stack, and their order along the normal and in time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from medcl.archive.dicom.header.model import SPLIT_KEYS, DicomHeader, Frame
from medcl.archive.dicom.series.slice_grid import SAME_PLACE_MM, normal

THICKNESS = SPLIT_KEYS.index("thickness")


@dataclass(frozen=True, slots=True)
class Slice:
    """One image of one file."""

    file: int = field(compare=False)
    header: DicomHeader
    frame: Frame

    @property
    def identity(self) -> tuple[str, int, int]:
        """What names the image by its content: never the file's name or number."""
        return self.header.sop_uid, self.header.probe, self.frame.index

    @property
    def sort_key(self) -> tuple[Any, ...]:
        """The order of acquisition as far as the header tells, made complete by content."""
        instance = self.header.instance
        return (
            instance if instance is not None else 1 << 62,
            self.frame.dimensions,
            self.frame.index,
            *self.identity[:2],
            self.frame.position or (),
        )

    def key(self, name: str) -> Any:
        """Return the value of one of `SPLIT_KEYS`."""
        return self.frame.keys[SPLIT_KEYS.index(name)]


@dataclass
class SliceSet:
    """Slices that belong together, and the flags that splitting earned.

    Attributes:
        slices: Slices in any order; those of a cine in the order of time.
        flags: Codes of `medcl.archive.flags`.
        is_cine: Whether the slices are moments of one place.
    """

    slices: list[Slice]
    flags: set[str] = field(default_factory=set)
    is_cine: bool = False

    def parts(self, parts: Iterable[list[Slice]], *flags: str) -> list[SliceSet]:
        """Return parts of this set as sets with its flags and more."""
        return [SliceSet(part, self.flags | set(flags)) for part in parts]


def axis(slices: Sequence[Slice]) -> tuple[float, float, float]:
    """Return the normal of the slice that content names first.

    Tiny differences in orientation between slices then do not change their order.
    """
    orientation = min(slices, key=lambda image: image.sort_key[3:]).frame.orientation
    assert orientation is not None
    return normal(orientation)


def by_place(slices: Sequence[Slice]) -> list[list[Slice]]:
    """Return the slices sorted along their normal, those at one depth together."""
    x, y, z = axis(slices)
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


def depths(slices: Sequence[Slice]) -> np.ndarray:
    """Return the distances along the normal, mm, in the order of the slices."""
    return np.array([image.frame.position for image in slices]) @ axis(slices)


def key_value(image: Slice, number: int) -> Any:
    """Return a value by which slices are split; the thickness to two digits, as writers round it."""
    value = image.frame.keys[number]
    return f"{value:.2g}" if number == THICKNESS and value else value


def n_keys(slices: Sequence[Slice]) -> int:
    """Return how many keys all slices have; frames of an enhanced object may have more than `SPLIT_KEYS`."""
    return min(len(image.frame.keys) for image in slices)


def by_key(slices: Sequence[Slice], number: int) -> list[list[Slice]]:
    """Return the slices in parts that share the value of a key."""
    if len({image.frame.keys[number] for image in slices}) == 1:
        return [list(slices)]
    parts: dict[Any, list[Slice]] = {}
    for image in slices:
        parts.setdefault(key_value(image, number), []).append(image)
    return [parts[key] for key in sorted(parts, key=repr)]
