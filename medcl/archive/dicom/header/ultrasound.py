"""Ultrasound regions (PS3.3 C.8.5.5): which parts of the screen are images, and the size of their pixels."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import isclose
from typing import Any

from medcl.archive.dicom.header.elements import Elements
from medcl.archive.dicom.header.model import Attributes, Region
from medcl.archive.dicom.tags import ULTRASOUND_REGIONS
from medcl.archive.flags import Rejected, quarantined

CENTIMETERS = 3
TWO_DIMENSIONAL = 1
TISSUE, COLOR_FLOW = 1, 2
SAME_SHARE = 0.9
"""A region that lies in another with this share of its area is part of that one's image."""
SPACING_TOLERANCE = 1e-3
MAX_REGIONS = 16


def image_regions(elements: Elements, shared: Attributes) -> tuple[tuple[Region, ...], set[str]]:
    """Return the regions that are two-dimensional images, from the top left on, and flags.

    Regions of motion over time, spectra, curves, and bars are no images. Each image is kept with its own
    spacing; one that lies inside of another, as the box of color flow does, is part of that one.

    Raises:
        Rejected: BAD_HEADER where there are absurdly many.
    """
    if ULTRASOUND_REGIONS not in elements.sequences:
        return (), set()
    try:
        items = elements.items(ULTRASOUND_REGIONS)
    except Rejected:
        return (), set()
    stated = [
        (item.get("RegionDataType"), region)
        for item in items
        if item.get("RegionSpatialFormat") == TWO_DIMENSIONAL
        and (region := _region(item, shared)) is not None
    ]
    images = [region for kind, region in stated if kind in (TISSUE, COLOR_FLOW, None)]
    regions = sorted(set(images or [region for _, region in stated]), key=_top_left)
    if len(regions) > MAX_REGIONS:
        raise quarantined("BAD_HEADER")
    flags = {"REGIONS_OVERLAP"} if any(_conflict(*pair) for pair in combinations(regions, 2)) else set()
    regions = _outermost(regions)
    if len(regions) > 1:
        flags.add("REGION_OF_MANY")
    return tuple(regions), flags


def _top_left(region: Region) -> tuple[int, ...]:
    return region.top, region.left, region.bottom, region.right


def _outermost(regions: Sequence[Region]) -> list[Region]:
    """Return the regions that are not part of a larger one; of equal ones, one with its spacing."""
    outermost: list[Region] = []
    for region in sorted(
        regions, key=lambda region: (_area(region), region.spacing is not None), reverse=True
    ):
        if all(_shared_area(region, other) < SAME_SHARE * _area(region) for other in outermost):
            outermost.append(region)
    return sorted(outermost, key=_top_left)


def _conflict(first: Region, second: Region) -> bool:
    """Return whether two regions share pixels to which they give different sizes."""
    if first.spacing is None or second.spacing is None:
        return False
    if all(
        isclose(*pair, rel_tol=SPACING_TOLERANCE) for pair in zip(first.spacing, second.spacing, strict=True)
    ):
        return False
    sides = (first.bottom - first.top, first.right - first.left, second.bottom - second.top)
    return _shared_area(first, second) > max(*sides, second.right - second.left)  # a common border is none


def _area(region: Region) -> int:
    return (region.bottom - region.top) * (region.right - region.left)


def _shared_area(first: Region, second: Region) -> int:
    height = min(first.bottom, second.bottom) - max(first.top, second.top)
    width = min(first.right, second.right) - max(first.left, second.left)
    return max(height, 0) * max(width, 0)


def _region(item: Any, shared: Attributes) -> Region | None:
    names = ("RegionLocationMinY0", "RegionLocationMaxY1", "RegionLocationMinX0", "RegionLocationMaxX1")
    values = [item.get(name) for name in names]
    if not all(isinstance(value, int) for value in values):
        return None
    top, bottom = values[0], min(values[1] + 1, shared.rows)
    left, right = values[2], min(values[3] + 1, shared.columns)
    # Regions of one row or column are placeholders, as a screen without regions may have them.
    if not (0 <= top < bottom - 1 and 0 <= left < right - 1):
        return None
    steps = [_millimeters(item, axis) for axis in "YX"]
    return Region(top, bottom, left, right, None if None in steps else tuple(steps))  # type: ignore[arg-type]


def _millimeters(item: Any, axis: str) -> float | None:
    step = item.get(f"PhysicalDelta{axis}")
    if item.get(f"PhysicalUnits{axis}Direction") != CENTIMETERS or not step:
        return None
    return abs(float(step)) * 10
