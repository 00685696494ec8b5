"""Masks from boxes: what a label table marks in numbers where nobody drew voxels.

A box of a volume is `x0 y0 z0 x1 y1 z1` in RAS+ millimeters, lower corner first; a box of a picture is
`left top right bottom` in pixels, counted from the picture's upper left corner (the first pixel reaches from
0 to 1). A voxel is marked when its center lies in a box, or on its edge. A box that ends before it begins,
reaches further than its scan along any of these axes or holds no voxel is refused: it was meant otherwise.
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

OF_A_PICTURE = np.array([[0.0, 1.0, 0.5], [1.0, 0.0, 0.5]])
"""From (row, column) to the place of a pixel's center, across and down."""

SLACK = 1e-3
"""Millimeters or pixels by which written numbers may miss the edge that they were rounded from."""

FORM = (
    "have a 'box' that is not 'x0 y0 z0 x1 y1 z1' in RAS+ millimeters for a volume, or 'left top right "
    "bottom' in pixels for a picture; write one box a row"
)
INVERTED = "have a 'box' that does not end above its beginning along every axis"
SEVERAL = "have a 'box' and name several scans; name one file or scan"
MASKED = "have a 'box' for a scan that has a mask of voxels; leave one of them out"
OUTSIDE = "have a 'box' that reaches out of its scan or holds no voxel of it"


@dataclass(frozen=True, order=True)
class Box:
    """Its ends (D,) along each axis."""

    low: tuple[float, ...]
    high: tuple[float, ...]

    @classmethod
    def parsed(cls, text: str, dims: int) -> Box | None:
        """Read 2 `dims` numbers, all low ends first; None from anything else."""
        try:
            numbers = tuple(float(word) for word in text.split())
        except ValueError:
            return None
        if len(numbers) != 2 * dims or not np.isfinite(numbers).all():
            return None
        return cls(numbers[:dims], numbers[dims:])

    def lies_in(self, affine: np.ndarray | None, shape: tuple[int, ...]) -> bool:
        """Return whether a scan reaches as far as the box along every axis, and has a voxel in it."""
        matrix = _matrix(affine)
        ends = _corners([-0.5] * len(shape), [count - 0.5 for count in shape])
        reach = ends @ matrix[:, :-1].T + matrix[:, -1]
        begins = reach.min(axis=0) <= np.array(self.low) + SLACK
        ends_in = reach.max(axis=0) >= np.array(self.high) - SLACK
        return bool((begins & ends_in).all() and draw_boxes([self], affine, shape).any())


def read_boxes(
    catalog: Catalog, column: pd.Series, found: Sequence[Sequence[str]], masks: Collection[str]
) -> tuple[dict[str, tuple[Box, ...]], dict[str, list[int]]]:
    """Read the column `box` of a label table.

    Args:
        catalog: the scans.
        column: texts, or None where a row gives no box.
        found: the scans that each row names.
        masks: scans that have one of voxels.

    Returns:
        The boxes of each scan, and the rows (of the column's index) that cannot be used by their fault.
    """
    kind = catalog.scans.set_index("scan")["kind"]
    given: dict[str, dict[int, Box]] = {}
    faults: dict[str, list[int]] = {}
    for (row, text), scans in zip(column.items(), found, strict=True):
        if text is None:
            continue
        box = Box.parsed(text, 3 if kind[scans[0]] == "volume" else 2)
        fault = _fault(box, scans, masks)
        if fault or box is None:
            faults.setdefault(fault, []).append(row)
        else:
            given.setdefault(scans[0], {})[row] = box
    for scan, boxes in track(sorted(given.items()), "boxes", unit="scan"):
        if outside := _outside(catalog, scan, kind[scan], boxes):
            faults.setdefault(OUTSIDE, []).extend(outside)
    return {scan: tuple(sorted(set(boxes.values()))) for scan, boxes in sorted(given.items())}, faults


def _fault(box: Box | None, scans: Sequence[str], masks: Collection[str]) -> str:
    """Return what is wrong with a row as it is written; nothing when it may be right."""
    if box is None:
        return FORM
    if any(low >= high for low, high in zip(box.low, box.high, strict=True)):
        return INVERTED
    if len(scans) > 1:
        return SEVERAL
    return MASKED if scans[0] in masks else ""


def _outside(catalog: Catalog, scan: str, kind: str, boxes: Mapping[int, Box]) -> list[int]:
    """Return the rows whose box does not lie in the scan."""
    affine, shape = None, tuple(int(n) for n in str(catalog.row(scan)["shape"]).split("x"))[:2]
    if kind == "volume":
        try:
            own = read(catalog, scan)
        except UsageError:  # `medcl prepare` records why it cannot be read
            return []
        affine, shape = own.affine, own.array.shape[:3]
    return [row for row, box in boxes.items() if not box.lies_in(affine, shape)]


def draw_boxes(boxes: Iterable[Box], affine: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray:
    """Return the mask, uint8, that is 1 in any of the boxes.

    Args:
        boxes: of one scan.
        affine: (4, 4) of a volume; None for a picture.
        shape: (i, j, k) of a volume, (row, column) of a picture.
    """
    matrix, mask = _matrix(affine), np.zeros(shape, np.uint8)
    for box in boxes:
        corners = _corners(box.low, box.high) - matrix[:, -1]
        at = corners @ np.linalg.inv(matrix[:, :-1]).T
        first = np.clip(np.floor(at.min(axis=0)), 0, shape).astype(int)
        last = np.clip(np.ceil(at.max(axis=0)) + 1, 0, shape).astype(int)
        index = np.ix_(*map(np.arange, first, last))
        inside = np.ones(tuple(last - first), bool)
        for steps, low, high in zip(matrix, box.low, box.high, strict=True):
            place = sum((step * along for step, along in zip(steps, index, strict=False)), steps[-1])
            inside &= (place >= low - SLACK) & (place <= high + SLACK)
        mask[tuple(map(slice, first, last))][inside] = 1
    return mask


def _matrix(affine: np.ndarray | None) -> np.ndarray:
    """Return (D, D + 1) from a voxel to its center, in the axes that boxes are written in."""
    return OF_A_PICTURE if affine is None else affine[:3]


def _corners(low: Sequence[float], high: Sequence[float]) -> np.ndarray:
    return np.array(list(product(*zip(low, high, strict=True))))
