"""Ultrasound regions (PS3.3 C.8.5.5): which part of the image is tissue, and how large its pixels are."""

from __future__ import annotations

from typing import Any

from medcl.archive.dicom.header.elements import Elements
from medcl.archive.dicom.header.model import Attributes
from medcl.archive.dicom.header.values import Vector
from medcl.archive.dicom.tags import ULTRASOUND_REGIONS
from medcl.archive.flags import Rejected

CENTIMETERS = 3
TISSUE = 1
Box = tuple[int, int, int, int]


def tissue(elements: Elements, shared: Attributes) -> tuple[Box | None, Vector | None]:
    """Return the box of the largest region of two-dimensional tissue and its spacing.

    Returns:
        The box (first row, last row + 1, first column, last column + 1), and the millimeters between its rows
        and between its columns; None for what the header does not state.
    """
    try:
        regions = elements.items(ULTRASOUND_REGIONS)
    except Rejected:
        return None, None
    boxes = [
        (box, region)
        for region in regions
        if region.get("RegionSpatialFormat") == TISSUE and (box := _box(region, shared)) is not None
    ]
    if not boxes:
        return None, None
    box, region = max(
        boxes, key=lambda pair: ((pair[0][1] - pair[0][0]) * (pair[0][3] - pair[0][2]), pair[0])
    )
    return box, _spacing(region)


def _spacing(region: Any) -> Vector | None:
    steps = []
    for axis in "YX":
        step = region.get(f"PhysicalDelta{axis}")
        if region.get(f"PhysicalUnits{axis}Direction") != CENTIMETERS or not step:
            return None
        steps.append(abs(float(step)) * 10)
    return tuple(steps)


def _box(region: Any, shared: Attributes) -> Box | None:
    names = ("RegionLocationMinY0", "RegionLocationMaxY1", "RegionLocationMinX0", "RegionLocationMaxX1")
    values = [region.get(name) for name in names]
    if not all(isinstance(value, int) for value in values):
        return None
    top, bottom = values[0], min(values[1] + 1, shared.rows)
    left, right = values[2], min(values[3] + 1, shared.columns)
    return (top, bottom, left, right) if 0 <= top < bottom and 0 <= left < right else None
