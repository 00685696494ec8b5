"""Stacks from headers: the files of each scan, their order and the position of the scan in space.

Grouping is by series over the whole archive; folders and file names play no part, and the order in which
headers come changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from medcl.archive.dicom.header.model import DicomHeader
from medcl.archive.dicom.series.duplicates import Numbered, PixelSums, distinct_files
from medcl.archive.dicom.series.parallel import MIN_SLICES
from medcl.archive.dicom.series.projection import (
    image_flags,
    image_shape,
    image_spacing,
    image_unit,
    inversion_flags,
)
from medcl.archive.dicom.series.reunite import reunite
from medcl.archive.dicom.series.slice_grid import Grid, grid
from medcl.archive.dicom.series.slices import Slice, SliceSet, by_place
from medcl.archive.dicom.series.split import (
    drop_copies,
    split_geometry,
    split_phases,
    volume_unit,
)
from medcl.archive.flags import State
from medcl.archive.geometry import canonical_affine, spacing
from medcl.archive.limits import MAX_SCAN_BYTES

PROJECTIONS = frozenset({"CR", "DX", "IO", "MG", "PX", "RF", "RG", "US", "XA"})
COLORS = ("RGB", "YBR", "PALETTE", "ARGB", "CMYK", "HSV")


@dataclass(frozen=True)
class Stack:
    """One scan: its files, its geometry, and raw identifiers for the archive to turn into pseudonyms.

    Attributes:
        kind: `volume`, `image` or `cine` (also the moments of one slice, in the order of time).
        modality: DICOM code or `unknown`.
        files: file numbers in slice order; a multi-frame file stands once.
        frames: the frames of a multi-frame file in slice order; empty for single-frame files.
        shape: of the array that `assemble` gives.
        spacing_mm: of its spatial axes, None when unknown.
        unit: `HU`, `SUV`, `Bq/ml`, `a.u.` or `display`.
        flags: codes of `medcl.archive.flags`, sorted.
        body_part, manufacturer: Words of `medcl.archive.vocabulary`, or None.
        patient_id, study_uid, series_uid, site: as the files say; for memory only.
        stack_key: Key that distinguishes this stack from others of its series, made of content alone.
    """

    kind: str
    modality: str
    files: tuple[int, ...]
    frames: tuple[int, ...]
    shape: tuple[int, ...]
    spacing_mm: tuple[float, ...] | None
    unit: str
    flags: tuple[str, ...]
    body_part: str | None
    manufacturer: str | None
    patient_id: str = field(repr=False)
    study_uid: str = field(repr=False)
    series_uid: str = field(repr=False)
    site: str = field(repr=False)
    stack_key: str = field(repr=False)
    slices: tuple[Slice, ...] = field(repr=False, compare=False)
    grid: Grid | None = field(repr=False, compare=False, default=None)

    @property
    def affine(self) -> np.ndarray | None:
        """(4, 4), index of the array to RAS+ mm; None for an image."""
        if self.grid is None:
            return None
        return canonical_affine(self.grid.affine, stored_shape(self.slices[0], self.grid))[0]


def group(
    headers: Sequence[Numbered], sums: PixelSums | None = None
) -> tuple[list[Stack], dict[int, tuple[State, str]]]:
    """Put files together into scans.

    Args:
        headers: file number and header, in any order.
        sums: compares the pixels of files that may be copies; without it, checksums of a sample of the
            pixels decide.

    Returns:
        stacks in an order that depends on their content alone, and the files that are not used:
        file number to (state, code).
    """
    distinct, copies = distinct_files(headers, sums)
    verdicts: dict[int, tuple[State, str]] = dict.fromkeys(copies, ("dropped", "DUPLICATE_FILE"))
    series: dict[tuple[str, ...], list[Slice]] = {}
    stacks: list[Stack] = []
    for number, header in distinct:
        for subset, slices in _subsets(number, header).items():
            if not all(map(_has_place, slices)):
                stacks.append(_flat(number, header, slices))
            else:
                series.setdefault((*_series_key(header), subset), []).extend(slices)
    for members in reunite(series):
        stacks += _series(members, sums, verdicts)
    used = {number for stack in stacks for number in stack.files}
    verdicts = {number: verdict for number, verdict in verdicts.items() if number not in used}
    return _with_own_keys(sorted(stacks, key=_order)), verdicts


def _subsets(number: int, header: DicomHeader) -> dict[str, list[Slice]]:
    """Return the frames of a file by the subset that they belong to."""
    subsets: dict[str, list[Slice]] = {}
    for frame in header.frames:
        subsets.setdefault(frame.subset, []).append(Slice(number, header, frame))
    return subsets


def _order(stack: Stack) -> tuple[Any, ...]:
    first = stack.slices[0].frame.position or ()
    return stack.patient_id, stack.study_uid, stack.series_uid, stack.stack_key, first


def _with_own_keys(stacks: Sequence[Stack]) -> list[Stack]:
    """Return sorted stacks, those numbered whose first images have one UID and the same pixels."""
    counts: Counter[tuple[Any, ...]] = Counter()
    distinct: list[Stack] = []
    for stack in stacks:
        key = _order(stack)[:4]
        suffix = f"|{counts[key]}" if counts[key] else ""
        distinct.append(replace(stack, stack_key=stack.stack_key + suffix))
        counts[key] += 1
    return distinct


def _series_key(header: DicomHeader) -> tuple[str, ...]:
    """Return the key that files of one series share.

    A multi-frame file is a series of its own unless it is part of a concatenation, and so is a file
    without a series.
    """
    shared = header.shared
    group_key = shared.concatenation
    alone = len(header.functional) > 1 and not header.tiles and not group_key
    if alone or not shared.series_uid:
        group_key = f"{header.sop_uid}|{header.probe}"
    return shared.patient_id, shared.study_uid, shared.series_uid, shared.modality, group_key


def _has_place(image: Slice) -> bool:
    """Return whether the position of a slice is known."""
    shared, frame = image.header.shared, image.frame
    if shared.modality in PROJECTIONS and not image.header.functional:
        return False
    located = frame.position is not None and frame.orientation is not None and frame.spacing is not None
    return located and shared.samples == 1 and not shared.photometric.startswith(COLORS)


def _series(series: SliceSet, sums: PixelSums | None, verdicts: dict[int, tuple[State, str]]) -> list[Stack]:
    """Return the stacks of one series."""
    stacks = []
    for geometry in split_geometry(series.slices):
        geometry.flags |= series.flags
        for copy in drop_copies(geometry, sums):
            verdicts[copy.file] = ("dropped", "DUPLICATE_SLICE")
        for slice_set in split_phases(geometry):
            try:
                stacks.append(_cine(slice_set) if slice_set.is_cine else _volume(slice_set))
            except _NotAffine as fault:
                for image in slice_set.slices:
                    verdicts[image.file] = ("quarantined", fault.args[0])
    return stacks


class _NotAffine(Exception):
    """The slices of a slice_set form no grid; the argument is the ledger's code."""


def _volume(slice_set: SliceSet) -> Stack:
    conflict = "DUP_CONFLICT" in slice_set.flags
    slices = [place[0] for place in by_place(slice_set.slices)]
    first = slices[0]
    orientation, between = first.frame.orientation, first.frame.spacing
    assert orientation is not None
    assert between is not None
    positions = [image.frame.position for image in slices if image.frame.position is not None]
    if len(slices) == 1 and first.frame.thickness is None:
        return _flat(first.file, first.header, slices, slice_set.flags | {"SINGLE_SLICE"})
    try:
        where = grid(positions, orientation, between, first.frame.thickness)
    except ValueError:
        raise _NotAffine("BAD_HEADER") from None
    affine, shape = canonical_affine(where.affine, stored_shape(first, where))
    if int(np.prod(shape, dtype=object)) * 2 > MAX_SCAN_BYTES:
        raise _NotAffine("TOO_LARGE")
    flags = slice_set.flags | set(where.flags) | _volume_flags(slices)
    used = slice_set.slices if conflict else slices
    return _stack("volume", used, shape, spacing(affine), volume_unit(first), flags, where, slices)


def _cine(slice_set: SliceSet) -> Stack:
    """Return the moments of one slice: images (frame, row, column) of measured values."""
    slices = slice_set.slices
    first = slices[0]
    flags = slice_set.flags | _volume_flags(slices)
    shape = (len(slices), *first.header.matrix)
    return _stack("cine", slices, shape, first.frame.spacing, volume_unit(first), flags, None, slices)


def stored_shape(first: Slice, where: Grid) -> tuple[int, int, int]:
    """Return (columns, rows, slices): the axes of `Grid.affine`."""
    rows, columns = first.header.matrix
    return columns, rows, where.count


def _volume_flags(slices: Sequence[Slice]) -> set[str]:
    first = slices[0].header
    flags = {flag for image in slices for flag in image.header.flags} | inversion_flags(first)
    if any("LOCALIZER" in image.header.shared.image_type for image in slices) or len(slices) < MIN_SLICES:
        flags.add("SCOUT")
    if len(slices) == 1:
        flags.add("SINGLE_SLICE")
    is_localizer = "LOCALIZER" in first.shared.image_type
    if first.shared.modality == "CT" and not is_localizer and volume_unit(slices[0]) != "HU":
        flags.add("UNCALIBRATED")
    if first.shared.modality == "PT":
        flags.add("SUV" if volume_unit(slices[0]) == "SUV" else "SUV_UNKNOWN")
    if first.modality_lut:
        flags.add("LUT_APPLIED")
    if _has_scales(slices):
        flags.add("PRECISE_SCALE")
    if first.functional and not first.tiles and len({image.file for image in slices}) == 1:
        order = [image.frame.index for image in slices]
        if order != sorted(order) and order != sorted(order, reverse=True):
            flags.add("FRAMES_SORTED")
    return flags


def _has_scales(slices: Sequence[Slice]) -> bool:
    """Return whether the slices are only comparable by the scale in Philips' private element."""
    scales = {(image.header.shared.scale_slope, image.frame.slope, image.frame.intercept) for image in slices}
    return len(scales) > 1 and all(scale is not None for scale, _, _ in scales)


def _flat(number: int, header: DicomHeader, slices: Sequence[Slice], flags: set[str] | None = None) -> Stack:
    """Return an image, or a cine of several, without a place in space."""
    region = slices[0].frame.region
    shape: tuple[int, ...] = image_shape(header, region)
    if header.shared.photometric.startswith(COLORS) or header.shared.samples > 1:
        shape = (*shape, 3)
    kind = "image" if len(slices) == 1 else "cine"
    if kind == "cine":
        shape = (len(slices), *shape)
    own_flags = {*(flags or ()), *image_flags(header, region), *header.flags}
    if (order := [image.frame.index for image in slices]) != sorted(order):
        own_flags.add("FRAMES_SORTED")
    return _stack(
        kind,
        slices,
        shape,
        image_spacing(header, region),
        image_unit(header),
        own_flags,
        None,
        slices,
    )


def _stack(
    kind: str,
    used: Sequence[Slice],
    shape: tuple[int, ...],
    mm: tuple[float, ...] | None,
    unit: str,
    flags: set[str],
    where: Grid | None,
    slices: Sequence[Slice],
) -> Stack:
    """Return a stack whose identity is that of its first image by content."""
    named = min(slices, key=lambda image: image.identity)
    shared = named.header.shared
    sop_uid, probe, frame = named.identity
    several = slices[0].header.functional or shared.n_frames > 1
    return Stack(
        kind=kind,
        modality=shared.modality,
        files=tuple(dict.fromkeys(image.file for image in used)),
        frames=tuple(image.frame.index for image in slices) if several else (),
        shape=shape,
        spacing_mm=mm,
        unit=unit,
        flags=tuple(sorted(flags)),
        body_part=shared.body_part,
        manufacturer=shared.manufacturer,
        patient_id=shared.patient_id,
        study_uid=shared.study_uid,
        series_uid=shared.series_uid,
        site=shared.site,
        stack_key=f"{sop_uid}|{probe:08x}|{frame}" + _region_key(slices[0]),
        slices=tuple(slices),
        grid=where,
    )


def _region_key(image: Slice) -> str:
    """Return what tells the regions of one screen apart; empty where it has only one."""
    return f"|{image.frame.subset}" if len(image.header.regions) > 1 else ""
