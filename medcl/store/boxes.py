"""Masks from boxes, which a label table gives in numbers for scans without a mask of voxels.

A box of a volume is `x0 y0 z0 x1 y1 z1` in RAS+ millimeters, lower corner first; a box of an image is
`left top right bottom` in pixels, counted from the image's upper left corner (the first pixel reaches from
0 to 1). A voxel is marked when its center lies in a box or on its edge. A box that ends before it begins,
reaches out of its scan along any of these axes or holds no voxel is refused as an error of the table.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd

from medcl.archive import Catalog, read
from medcl.errors import UsageError
from medcl.progress import track

PIXEL_TO_POINT = np.array([[0.0, 1.0, 0.5], [1.0, 0.0, 0.5]])
"""From (row, column) of a pixel to the position of its center, across and down."""

SLACK = 1e-3
"""Millimeters or pixels by which the table's rounded numbers may miss an edge."""

FORM = (
    "have a 'box' that is not 'x0 y0 z0 x1 y1 z1' in RAS+ millimeters for a volume, or 'left top right "
    "bottom' in pixels for an image; write one box per row"
)
INVERTED = "have a 'box' that does not end above its beginning along every axis"
SEVERAL = "have a 'box' and name several scans; name one file or scan per row"
MASKED = "have a 'box' for a scan that has a mask of voxels; remove one of them"
OUTSIDE = "have a 'box' that reaches out of its scan or holds no voxel of it"


@dataclass(frozen=True, order=True)
class LabelBox:
    """A box with edges along the axes.

    Attributes:
        low: Lower end (D,) along each axis.
        high: Upper end (D,) along each axis.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]

    @classmethod
    def parsed(cls, text: str, dims: int) -> LabelBox | None:
        """Read 2 `dims` numbers, all low ends first; None from anything else."""
        try:
            numbers = tuple(float(number) for number in text.split())
        except ValueError:
            return None
        if len(numbers) != 2 * dims or not np.isfinite(numbers).all():
            return None
        return cls(numbers[:dims], numbers[dims:])

    def lies_in(self, affine: np.ndarray | None, shape: tuple[int, ...]) -> bool:
        """Return whether the box lies in a scan along every axis, and holds one of its voxels."""
        matrix = _matrix(affine)
        corners = _corners([-0.5] * len(shape), [count - 0.5 for count in shape])
        points = corners @ matrix[:, :-1].T + matrix[:, -1]
        low_inside = points.min(axis=0) <= np.array(self.low) + SLACK
        high_inside = points.max(axis=0) >= np.array(self.high) - SLACK
        return bool((low_inside & high_inside).all() and draw_boxes([self], affine, shape).any())


def read_boxes(
    catalog: Catalog, column: pd.Series, scans_of_row: Sequence[Sequence[str]], masks: Collection[str]
) -> tuple[dict[str, tuple[LabelBox, ...]], dict[str, list[int]]]:
    """Read the column `box` of a label table.

    Args:
        catalog: The scans.
        column: Text of a box, or None, per row.
        scans_of_row: Scans that each row names.
        masks: Scans that have a mask of voxels.

    Returns:
        The boxes of each scan; and per fault the rows (of the column's index) that have it.
    """
    kind = catalog.scans.set_index("scan")["kind"]
    boxes_of_scan: dict[str, dict[int, LabelBox]] = {}
    faults: dict[str, list[int]] = {}
    for (row, text), scans in zip(column.items(), scans_of_row, strict=True):
        if text is None:
            continue
        box = LabelBox.parsed(text, 3 if kind[scans[0]] == "volume" else 2)
        fault = _fault(box, scans, masks)
        if fault or box is None:
            faults.setdefault(fault, []).append(row)
        else:
            boxes_of_scan.setdefault(scans[0], {})[row] = box
    for scan, boxes in track(sorted(boxes_of_scan.items()), "boxes", unit="scan"):
        if outside := _outside(catalog, scan, kind[scan], boxes):
            faults.setdefault(OUTSIDE, []).extend(outside)
    return {scan: tuple(sorted(set(boxes.values()))) for scan, boxes in sorted(boxes_of_scan.items())}, faults


def _fault(box: LabelBox | None, scans: Sequence[str], masks: Collection[str]) -> str:
    """Return the fault of a row that shows without its scan; an empty text if there is none."""
    if box is None:
        return FORM
    if any(low >= high for low, high in zip(box.low, box.high, strict=True)):
        return INVERTED
    if len(scans) > 1:
        return SEVERAL
    return MASKED if scans[0] in masks else ""


def _outside(catalog: Catalog, scan: str, kind: str, boxes: Mapping[int, LabelBox]) -> list[int]:
    """Return the rows whose box does not lie in the scan."""
    affine, shape = None, tuple(int(n) for n in str(catalog.row(scan)["shape"]).split("x"))[:2]
    if kind == "volume":
        try:
            volume = read(catalog, scan)
        except UsageError:  # `prepare` records why it cannot be read
            return []
        affine, shape = volume.affine, volume.array.shape[:3]
    return [row for row, box in boxes.items() if not box.lies_in(affine, shape)]


def draw_boxes(boxes: Iterable[LabelBox], affine: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray:
    """Return the mask, uint8, that is 1 in any of the boxes.

    Args:
        boxes: Boxes of one scan.
        affine: (4, 4) from voxel index to RAS+ millimeters; None for an image.
        shape: (i, j, k) of a volume, (row, column) of an image.
    """
    matrix, mask = _matrix(affine), np.zeros(shape, np.uint8)
    for box in boxes:
        corners = _corners(box.low, box.high) - matrix[:, -1]
        indices = corners @ np.linalg.inv(matrix[:, :-1]).T
        first = np.clip(np.floor(indices.min(axis=0)), 0, shape).astype(int)
        last = np.clip(np.ceil(indices.max(axis=0)) + 1, 0, shape).astype(int)
        index = np.ix_(*map(np.arange, first, last))
        inside = np.ones(tuple(last - first), bool)
        for steps, low, high in zip(matrix, box.low, box.high, strict=True):
            position = sum((step * along for step, along in zip(steps, index, strict=False)), steps[-1])
            inside &= (position >= low - SLACK) & (position <= high + SLACK)
        mask[tuple(map(slice, first, last))][inside] = 1
    return mask


def _matrix(affine: np.ndarray | None) -> np.ndarray:
    """Return (D, D + 1) from voxel index to the position of its center, in the axes of boxes."""
    return PIXEL_TO_POINT if affine is None else affine[:3]


def _corners(low: Sequence[float], high: Sequence[float]) -> np.ndarray:
    return np.array(list(product(*zip(low, high, strict=True))))
