"""Series that an export broke into one for each slice, put together by study, protocol and geometry."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from medcl.archive.dicom.series.parallel import EVEN, MIN_SLICES, evenness, is_whole
from medcl.archive.dicom.series.slices import Slice, SliceSet, by_place, depths
from medcl.archive.dicom.series.split import split_geometry, split_phases

SeriesSlices = Mapping[tuple[str, ...], list[Slice]]
Pools = dict[Any, list[tuple[str, ...]]]


def reunite(series: SeriesSlices) -> list[SliceSet]:
    """Return the series of an archive, in order, those that are one slice of a broken series as one.

    Series of one place each are put together where four or more share patient, study, protocol and
    SeriesNumber and form a grid. Where the number differs too, InstanceNumber must run along that grid.
    """
    remaining = dict(series)
    joined: list[SliceSet] = []
    single = [key for key in sorted(series) if _is_at_one_place(series[key])]
    for pool_key, accepts in ((_numbered_protocol, _is_grid), (_protocol, _is_numbered_grid)):
        for keys in _pools(series, [key for key in single if key in remaining], pool_key).values():
            for members in _members(series, keys, accepts):
                joined.append(SliceSet([i for key in members for i in remaining.pop(key)], {"SERIES_JOINED"}))
    return [*(SliceSet(remaining[key]) for key in sorted(remaining)), *joined]


def _is_at_one_place(slices: Sequence[Slice]) -> bool:
    first = slices[0].frame.position
    return not slices[0].header.tiles and all(image.frame.position == first for image in slices)


def _pools(series: SeriesSlices, keys: Sequence[tuple[str, ...]], pool_key: Callable[[Slice], Any]) -> Pools:
    """Return the keys of the series that share a protocol, where they are enough for a stack."""
    pools: Pools = {}
    for key in keys:
        pools.setdefault(pool_key(series[key][0]), []).append(key)
    pools.pop(None, None)
    return {pool: members for pool, members in pools.items() if len(members) >= MIN_SLICES}


def _protocol(image: Slice) -> tuple[Any, ...]:
    shared = image.header.shared
    patient = (shared.patient_id, shared.study_uid, shared.modality, shared.sop_class)
    return (*patient, shared.manufacturer, shared.protocol, shared.sequence, image.header.matrix)


def _numbered_protocol(image: Slice) -> tuple[Any, ...] | None:
    number = image.header.shared.series_number
    return (number, *_protocol(image)) if number else None


def _members(
    series: SeriesSlices, keys: Sequence[tuple[str, ...]], accepts: Callable[[SliceSet], bool]
) -> list[list[tuple[str, ...]]]:
    """Return the series of a pool that make one stack, for each stack that they make."""
    owner = {id(image): key for key in keys for image in series[key]}
    members = []
    for geometry in split_geometry([image for key in keys for image in series[key]]):
        owners = sorted({owner[id(image)] for image in geometry.slices})
        whole = sum(len(series[key]) for key in owners) == len(geometry.slices)
        if whole and len(owners) >= MIN_SLICES and accepts(geometry):
            members.append(owners)
    return members


def _is_grid(geometry: SliceSet) -> bool:
    return all(map(is_whole, split_phases(geometry)))


def _is_numbered_grid(geometry: SliceSet) -> bool:
    """True when slices are evenly spaced and numbered along the normal, one at each place."""
    ordered = [place[0] for place in by_place(geometry.slices)]
    numbers = [image.header.instance for image in ordered]
    if None in numbers or len(ordered) < len(geometry.slices) or evenness(depths(ordered)) != EVEN:
        return False
    steps = np.diff(np.array(numbers, dtype=np.int64))
    return bool((steps > 0).all() or (steps < 0).all())
