"""Stacks of one series that are parallel: two reconstructions woven together, two slabs, two knees.

Where the tags and the places of slices do not say that there are two, there is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from medcl.archive.dicom.header.model import RECONSTRUCTION_KEYS, SPLIT_KEYS
from medcl.archive.dicom.series.slice_grid import MIN_RUN, is_even, spacing_flags
from medcl.archive.dicom.series.slices import Slice, SliceSet, axis, by_key, by_place, depths, n_keys

EVEN, GAPS, UNEVEN = 0, 1, 2
MAX_CORNERS = 16
MIN_SLICES = 4
"""A stack of fewer slices is a localizer."""


def evenness(along: np.ndarray) -> int:
    """Return whether depths (ascending, mm) are EVEN, have a few GAPS, or are UNEVEN."""
    distances = np.diff(along)
    if is_even(distances):
        return EVEN
    return GAPS if spacing_flags(distances) <= {"GAP"} else UNEVEN


def is_whole(slice_set: SliceSet) -> bool:
    """True when a set makes a volume of four slices or more with few gaps."""
    if slice_set.is_cine or "DUP_CONFLICT" in slice_set.flags or len(slice_set.slices) < MIN_SLICES:
        return False
    return evenness(np.sort(depths(slice_set.slices))) <= GAPS


def split_in_plane(slice_set: SliceSet) -> list[SliceSet]:
    """Split stacks that stand beside each other in the plane of their slices, such as two knees.

    Those whose slices share a depth, or whose fields of view overlap by less than half, are two.
    """
    clusters = _corners(slice_set.slices)
    if not 1 < len(clusters) <= len(slice_set.slices) / 2:
        return [slice_set]
    owner = {id(image): number for number, cluster in enumerate(clusters) for image in cluster}
    shared = any(len({owner[id(image)] for image in place}) > 1 for place in by_place(slice_set.slices))
    if not shared and not _far_apart(clusters) and not _are_bent(clusters):
        return [slice_set]
    return slice_set.parts(clusters, "PARALLEL_STACKS")


def _corners(slices: Sequence[Slice]) -> list[list[Slice]]:
    """Group slices whose first voxels lie on one line along the normal, to half a pixel."""
    normal = np.array(axis(slices))
    ordered = sorted(slices, key=lambda image: image.frame.position or ())
    corners = np.array([image.frame.position for image in ordered])
    corners -= np.outer(corners @ normal, normal)
    tolerance = min(ordered[0].frame.spacing or (1.0,)) / 2
    remaining = np.arange(len(ordered))
    clusters: list[list[Slice]] = []
    while len(remaining) and len(clusters) <= MAX_CORNERS:
        near = np.linalg.norm(corners[remaining] - corners[remaining[0]], axis=1) <= tolerance
        clusters.append([ordered[number] for number in remaining[near]])
        remaining = remaining[~near]
    return clusters if not len(remaining) else [list(slices)]


def _far_apart(clusters: Sequence[Sequence[Slice]]) -> bool:
    """True when every two fields of view are shifted in their plane by more than half of their size."""
    first = clusters[0][0]
    assert first.frame.orientation is not None
    assert first.frame.spacing is not None
    rows, columns = first.header.matrix
    axes = np.reshape(first.frame.orientation, (2, 3))
    size = np.array([columns * first.frame.spacing[1], rows * first.frame.spacing[0]])
    corners = np.array([axes @ np.array(cluster[0].frame.position) for cluster in clusters])
    shifts = np.abs(corners[:, None] - corners[None]) / size
    return bool((shifts.max(axis=2) + np.eye(len(clusters)) > 0.5).all())


def _are_bent(clusters: Sequence[Sequence[Slice]]) -> bool:
    """True for even stacks one above the other whose first voxels lie on no common line, as a tilt has it."""
    if any(len(cluster) < MIN_SLICES or evenness(np.sort(depths(cluster))) != EVEN for cluster in clusters):
        return False
    slices = [place[0] for place in by_place([image for cluster in clusters for image in cluster])]
    corners = np.array([image.frame.position for image in slices])
    along = (depths(slices) - depths(slices[:1])) / (depths(slices[-1:]) - depths(slices[:1]))
    apart = corners - corners[0] - along[:, None] * (corners[-1] - corners[0])
    return bool(np.linalg.norm(apart, axis=1).max() > min(slices[0].frame.spacing or (1.0,)) / 2)


def side_by_side(slice_set: SliceSet) -> list[SliceSet]:
    """Split slices at different places that are several stacks.

    These are phases between which the table moved, reconstructions woven into one series, and stacks with
    room between or beside them.
    """
    parts = split_in_plane(slice_set)
    if len(parts) == 1:
        parts = _by_tag(slice_set)
    if len(parts) == 1:
        return _by_gap(slice_set)
    return [final for part in parts for final in side_by_side(part)]


def _by_tag(slice_set: SliceSet) -> list[SliceSet]:
    """Split by the first tag whose values are stacks over one range, evenly spaced or woven together."""
    whole = evenness(np.sort(depths(slice_set.slices)))
    for number in range(n_keys(slice_set.slices)):
        parts = by_key(slice_set.slices, number)
        name = SPLIT_KEYS[number] if number < len(SPLIT_KEYS) else ""
        if len(parts) > 1 and (
            _are_series(name, parts) or (name == "image_type" and _has_strays(parts, whole))
        ):
            return slice_set.parts(parts, "SPLIT")
        if len(parts) < 2 or 2 * len(parts) > len(slice_set.slices):
            continue
        along = [np.sort(depths(part)) for part in parts]
        if max(part[0] for part in along) >= min(part[-1] for part in along):
            continue
        worst = max(map(evenness, along))
        if worst == EVEN < whole or (name in RECONSTRUCTION_KEYS and worst <= whole and _woven(parts)):
            return slice_set.parts(parts, "SPLIT")
    sweeps = _sweeps(slice_set.slices) if whole == UNEVEN else []
    if len(sweeps) > 1 and all(evenness(np.sort(depths(sweep))) == EVEN for sweep in sweeps):
        return slice_set.parts(sweeps, "SPLIT", "SPLIT_BY_NUMBER")
    return [slice_set]


def _are_series(name: str, parts: Sequence[Sequence[Slice]]) -> bool:
    """True for stacks that share a series UID, but not the kernel or the number that a series has one of."""
    return name in ("kernel", "series_number") and min(map(len, parts)) >= MIN_SLICES


def _has_strays(parts: Sequence[Sequence[Slice]], whole: int) -> bool:
    """True where a few images of another type (localizers, projections) disturb an even stack."""
    *strays, most = sorted(parts, key=len)
    is_even = evenness(np.sort(depths(most))) == EVEN < whole
    return is_even and len(most) >= MIN_SLICES > sum(map(len, strays))


def _woven(parts: Sequence[Sequence[Slice]]) -> bool:
    """True when parts of three slices or more alternate along the normal, rather than follow each other."""
    smallest = min(map(len, parts))
    owner = {id(image): number for number, part in enumerate(parts) for image in part}
    order = [owner[id(image)] for place in by_place([i for part in parts for i in part]) for image in place]
    runs = 1 + int(np.count_nonzero(np.diff(order)))
    return smallest >= MIN_RUN and runs >= smallest


def _sweeps(slices: Sequence[Slice]) -> list[list[Slice]]:
    """Return the slices in runs of InstanceNumber that go along the normal in one direction.

    Empty when the numbers do not order the slices.
    """
    numbered = sorted(slices, key=lambda image: image.sort_key[0])
    numbers = [image.header.instance for image in numbered]
    if None in numbers or len(set(numbers)) < len(numbers):
        return []
    steps = np.diff(depths(numbered))
    forward = np.median(np.sign(steps))
    cuts = np.flatnonzero(np.sign(steps) != forward) + 1
    edges = [0, *cuts.tolist(), len(numbered)]
    sweeps = [numbered[start:end] for start, end in pairwise(edges)]
    ranges = [np.sort(depths(sweep)) for sweep in sweeps]
    together = max(part[0] for part in ranges) < min(part[-1] for part in ranges)
    return sweeps if together and min(map(len, sweeps)) >= MIN_RUN else []


def _by_gap(slice_set: SliceSet) -> list[SliceSet]:
    """Split at wide gaps that were planned: the numbering goes on, and each part is an even stack."""
    ordered = [place[0] for place in by_place(slice_set.slices)]
    distances = np.diff(depths(ordered))
    if len(ordered) < 2 * MIN_RUN or "GAP_LARGE" not in spacing_flags(distances):
        return [slice_set]
    step = float(np.median(distances))
    wide = np.flatnonzero(distances > 1.5 * step).tolist()
    if not all(_planned(ordered, number, distances[number] / step) for number in wide):
        return [slice_set]
    edges = [0, *(number + 1 for number in wide), len(ordered)]
    slabs = [ordered[start:end] for start, end in pairwise(edges)]
    if any(len(slab) < MIN_RUN or evenness(depths(slab)) != EVEN for slab in slabs):
        return [slice_set]
    return slice_set.parts(slabs, "PARALLEL_STACKS")


def _planned(ordered: Sequence[Slice], number: int, steps: float) -> bool:
    """True when nothing is missing between a slice and the next: by their numbers or their acquisitions.

    Numbers that skip as many as would fit between the two say that these are missing.
    """
    before, after = ordered[number], ordered[number + 1]
    if before.key("acquisition") != after.key("acquisition"):
        return True
    if before.header.instance is None or after.header.instance is None:
        return False
    skipped = abs(after.header.instance - before.header.instance) - 1
    return skipped >= 0 and skipped != round(steps) - 1
