"""Frames of nuclear medicine objects, told apart by vectors (PS3.3 C.8.4.8, C.8.4.15).

A vector holds one number for each frame: its energy window, detector, phase, rotation, slice, view or time.
Frames that agree in all vectors but the innermost one belong together: the slices of one reconstruction, the
views of one rotation, the moments of one phase.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from medcl.archive.dicom.header.elements import Elements
from medcl.archive.dicom.header.model import Attributes, Frame, plain_frame
from medcl.archive.dicom.header.values import Vector, direction, finite_vector, place, shorts
from medcl.archive.dicom.tags import DETECTORS, IMAGE_POSITION, tag
from medcl.archive.flags import quarantined

INNERMOST = ("Slice", "AngularView", "TimeSlice", "TimeSlot")
"""What may vary inside of a scan: the first of these that a file has."""
VECTORS = {
    name: tag(f"{name}Vector")
    for name in ("EnergyWindow", "Detector", "Phase", "Rotation", "RRInterval", *INNERMOST)
}
COUNTS = {
    "EnergyWindow": tag("NumberOfEnergyWindows"),
    "Phase": tag("NumberOfPhases"),
    "Rotation": tag("NumberOfRotations"),
    "RRInterval": tag("NumberOfRRIntervals"),
    "TimeSlot": tag("NumberOfTimeSlots"),
    "Slice": tag("NumberOfSlices"),
}
NUCLEAR = frozenset({*VECTORS.values(), *COUNTS.values()})
RECONSTRUCTED = frozenset({"RECON TOMO", "RECON GATED TOMO"})
PROJECTED = frozenset({"STATIC", "WHOLE BODY", "DYNAMIC", "GATED", "TOMO", "GATED TOMO"})
"""Kinds of objects (third value of the image type)."""

Plane = tuple[Vector | None, Vector | None]


def nuclear_frames(elements: Elements, shared: Attributes) -> tuple[tuple[Frame, ...], tuple[str, ...]]:
    """Return the frames of a nuclear medicine object, sorted within their subsets, and flags.

    The slices of a reconstruction have their place; projections, which lie in no plane of the patient, have
    none.

    Raises:
        Rejected: BAD_HEADER where a vector does not have one number for each frame.
    """
    numbers = _vectors(elements, shared.n_frames)
    innermost = next((name for name in INNERMOST if len(set(numbers.get(name, ()))) > 1), "")
    outer = [name for name in numbers if name != innermost]
    order = numbers.get(innermost, range(shared.n_frames))
    plain = plain_frame(shared, None)
    frames = [
        replace(plain, index=index, subset="/".join(f"{name} {numbers[name][index]}" for name in outer))
        for index in range(shared.n_frames)
    ]
    frames.sort(key=lambda frame: (frame.subset, order[frame.index], frame.index))
    flags = {"SPLIT"} if len({frame.subset for frame in frames}) > 1 else set()
    if _is_reconstructed(shared, innermost):
        if not _is_complete(elements, frames, numbers):
            return tuple(frames), (*flags, "FRAMES_UNNAMED")
        frames, geometry_flags = _placed(frames, numbers, elements, shared)
        flags |= geometry_flags
    return tuple(frames), tuple(flags)


def _is_reconstructed(shared: Attributes, innermost: str) -> bool:
    kinds = set(shared.image_type)
    return bool(kinds & RECONSTRUCTED) or (innermost == "Slice" and not kinds & PROJECTED)


def _vectors(elements: Elements, n_frames: int) -> dict[str, Sequence[int]]:
    """Return the numbers of each vector that the file has, one for each frame."""
    numbers: dict[str, Sequence[int]] = {}
    for name, vector_tag in VECTORS.items():
        stated = shorts(elements.values.get(vector_tag, b""), elements.little)
        if len(stated) not in (0, 1, n_frames):
            raise quarantined("BAD_HEADER")
        if stated:
            numbers[name] = stated if len(stated) == n_frames else stated * n_frames
    return numbers


def _is_complete(elements: Elements, frames: Sequence[Frame], numbers: Mapping[str, Sequence[int]]) -> bool:
    """Return whether the vectors give each slice of each volume once, and as many as the header counts."""
    counts = {
        name: shorts(elements.values.get(count_tag, b""), elements.little)[:1]
        for name, count_tag in COUNTS.items()
    }
    missing = [name for name in counts if name not in numbers and name != "Slice"]
    if any(count > 1 for name in missing for count in counts[name]):
        return False
    if "Slice" in numbers:
        return max(Counter((frame.subset, numbers["Slice"][frame.index]) for frame in frames).values()) == 1
    n_slices = set(Counter(frame.subset for frame in frames).values())
    return not counts["Slice"] or n_slices == {counts["Slice"][0]}


def _placed(
    frames: list[Frame], numbers: Mapping[str, Sequence[int]], elements: Elements, shared: Attributes
) -> tuple[list[Frame], set[str]]:
    """Give the slices of reconstructions their places: from the first slice on along the normal."""
    distance = shared.spacing_between or shared.thickness
    planes = _first_planes(elements, shared)
    slices = numbers.get("Slice", range(shared.n_frames))
    detectors = numbers.get("Detector", (0,) * shared.n_frames)
    first: dict[str, int] = {}
    placed: list[Frame] = []
    for frame in frames:
        corner, axes = planes.get(detectors[frame.index], planes[0])
        if corner is None or axes is None or distance is None:
            return frames, set()
        lowest = first.setdefault(frame.subset, frame.index)
        depth = (slices[frame.index] - slices[lowest]) * distance
        position = np.array(corner) + depth * np.cross(axes[:3], axes[3:])
        placed.append(replace(frame, orientation=axes, position=tuple(map(float, position))))
    flags = set() if shared.spacing_between else {"DISTANCE_ASSUMED"}
    if any(frame.index < first[frame.subset] for frame in frames):
        flags.add("FIRST_SLICE_ASSUMED")
    return placed, flags


def _first_planes(elements: Elements, shared: Attributes) -> dict[int, Plane]:
    """Return place and orientation of the first slice by the number of the detector.

    Number 0 stands for any detector: None where they disagree.
    """
    corner = place(elements.values.get(IMAGE_POSITION))
    planes = {
        number: (
            finite_vector(detector.get("ImagePositionPatient"), 3) or corner,
            direction(finite_vector(detector.get("ImageOrientationPatient"), 6)) or shared.orientation,
        )
        for number, detector in enumerate(elements.items(DETECTORS), start=1)
    }
    distinct = {plane for plane in planes.values() if None not in plane} or {(corner, shared.orientation)}
    return {**planes, 0: distinct.pop() if len(distinct) == 1 else (None, None)}
