"""Geometry and metadata of scans that views need, as arrays over rows, in the axes of the views.

A 2-D view of a volume lies perpendicular to the axis of coarsest spacing and is shown as radiologists see
it: axial slices with rows from anterior to posterior and columns from the patient's right to left, coronal
and sagittal ones with rows from superior to inferior. 3-D views keep the RAS axes of the array.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Protocol

import numpy as np
import pandas as pd

from medcl.archive.flags import split_flags
from medcl.errors import UsageError
from medcl.store.columns import ScanMeasures
from medcl.store.slices import DISPLAYED_AXES
from medcl.views.sampling.extents import MeasuredPart

THIN_BORDER = 0.9
"""A tissue box that covers this much of an axis is taken to cover it: not worth a resampling."""

SIDES_UNKNOWN = {"XFORM_UNKNOWN", "XFORM_CONFLICT"}
"""Flags of scans whose left and right are not certain."""


class ScanSource(Protocol):
    """The part of a store that views read."""

    @property
    def scans(self) -> pd.DataFrame:
        """The table of scans, as `medcl.store.Store.scans`."""

    def measures(self, rows: np.ndarray, anchored: bool = True) -> ScanMeasures:
        """Return geometry and measurements of some rows; positions on the body only where `anchored`."""

    def array(self, row: int, box: np.ndarray | None = None) -> np.ndarray:
        """Return the scan's pixels; only voxels in `box` (3, 2) of a volume need be valid."""

    def affine(self, row: int) -> np.ndarray | None:
        """Return the voxel-to-RAS+ affine of a volume."""

    def mask(self, row: int) -> np.ndarray | None:
        """Return the label mask, if there is one."""

    def valid(self, row: int) -> np.ndarray | None:
        """Return the boolean mask of measured voxels, or None when every voxel was measured."""


@dataclass(frozen=True)
class ScanGeometry:
    """Geometry of n scans; D is 2 for views of slices and images, 3 for 3-D views.

    Positions are millimeters (pixels where the spacing is unknown) from the outer corner of the first
    displayed sample; the displayed sample d has its center at `grid @ (d + 0.5)`.

    Attributes:
        rows: (n,) row numbers of the store.
        fingerprint: (n,) uint64.
        axes: (n, D) source axis of each displayed axis.
        sign: (n, D) +1, or -1 where the displayed axis runs against the source axis.
        count: (n, D) samples along each displayed axis.
        grid: (n, D, D) upper triangular, millimeters per sample (orthogonal scans: the spacing).
        slice_axis: (n,) source axis that slices are counted along; -1 without slices.
        slice_count, slice_mm: (n,) samples along it and their distance (1, 0.0 without slices).
        slice_box: (n, 2) first and last slice with tissue.
        low, high: (n, D) the tissue box.
        start, end: (n, D) the measured box, in which views lie.
        extents: (n,) the measured box of each slice (`MeasuredPart`), or None where all of it was measured.
        fov: (n,) edge of the field of view that crops are fractions of.
        whole: (n,) edge of the square that shows all tissue.
        anchors: (n, k, D) tissue positions; `anchor_slice` (n, k) their slices.
        marked: (n,) whether positions on labeled tissue are known; then `marks` and `mark_slice` are they.
        lo, hi, noise: (n,) robust range and noise in the scan's unit.
        spaced: (n,) whether the spacing is known.
        sided: (n,) whether the anatomical axes are certain.
        body_part: (n,) text, empty when unknown.
        unit: (n,) text.
    """

    rows: np.ndarray
    fingerprint: np.ndarray
    axes: np.ndarray
    sign: np.ndarray
    count: np.ndarray
    grid: np.ndarray
    slice_axis: np.ndarray
    slice_count: np.ndarray
    slice_mm: np.ndarray
    slice_box: np.ndarray
    low: np.ndarray
    high: np.ndarray
    start: np.ndarray
    end: np.ndarray
    extents: np.ndarray
    fov: np.ndarray
    whole: np.ndarray
    anchors: np.ndarray
    anchor_slice: np.ndarray
    marked: np.ndarray
    marks: np.ndarray
    mark_slice: np.ndarray
    lo: np.ndarray
    hi: np.ndarray
    noise: np.ndarray
    spaced: np.ndarray
    sided: np.ndarray
    body_part: np.ndarray
    unit: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def dims(self) -> int:
        """D."""
        return int(self.count.shape[1])

    @property
    def length(self) -> np.ndarray:
        """(n, D) extent of the scan along each displayed axis."""
        length: np.ndarray = np.einsum("nii,ni->ni", self.grid, self.count)
        return length

    def take(self, index: np.ndarray) -> ScanGeometry:
        """Return some of the scans."""
        return ScanGeometry(**{f.name: getattr(self, f.name)[index] for f in fields(self)})

    def within(self, slices: np.ndarray) -> ScanGeometry:
        """Return the geometry with the measured box of one slice per scan, `slices` (n,)."""
        start, end = self.start.copy(), self.end.copy()
        for scan, extent in enumerate(self.extents):
            if extent is not None:
                start[scan], end[scan] = extent.ends[min(int(slices[scan]), len(extent.ends) - 1)].T
        return replace(self, start=start, end=end)


def read_geometry(
    store: ScanSource, rows: Sequence[int] | np.ndarray, dims: int = 2, anchored: bool = True
) -> ScanGeometry:
    """Read the geometry of `rows` for views of `dims` dimensions; not the positions unless `anchored`.

    Raises:
        UsageError: 3-D views of an image.
    """
    rows = np.asarray(rows, np.int64)
    scans, measures = store.scans.iloc[rows], store.measures(rows, anchored)
    if dims == 3 and (measures.slice_axis < 0).any():
        name = scans["scan"].iloc[int(np.argmax(measures.slice_axis < 0))]
        raise UsageError(f"scan {name} is an image; 3-D views need volumes")
    slice_axis = measures.slice_axis if dims == 2 else np.full(len(rows), -1)
    return _with_extent(
        **_frames(measures, slice_axis, dims),
        slice_axis=slice_axis,
        marked=measures.marked,
        spaced=~np.isnan(measures.spacing_mm[:, 0]),
        sided=np.array([not SIDES_UNKNOWN & split_flags(flags) for flags in _texts(scans, "flags")]),
        rows=rows,
        fingerprint=scans["fingerprint"].to_numpy(np.uint64),
        lo=scans["lo"].to_numpy(float),
        hi=np.maximum(scans["hi"].to_numpy(float), scans["lo"].to_numpy(float) + 1e-6),
        noise=scans["noise"].to_numpy(float),
        unit=scans["unit"].to_numpy(str),
        body_part=_texts(scans, "body_part"),
    )


def _texts(scans: pd.DataFrame, column: str) -> np.ndarray:
    texts = scans[column].astype(object).fillna("") if column in scans else pd.Series("", index=scans.index)
    return np.asarray(texts.to_numpy(str))


def _frames(measures: ScanMeasures, slice_axis: np.ndarray, dims: int) -> dict[str, np.ndarray]:
    """Return the fields that depend on how scans are displayed, for those with equal slice axes at once."""
    numbers = [np.flatnonzero(slice_axis == axis) for axis in np.unique(slice_axis)]
    parts = [_frame(measures.take(rows), int(slice_axis[rows[0]]), dims) for rows in numbers]
    order = np.argsort(np.concatenate(numbers))
    return {name: np.concatenate([part[name] for part in parts])[order] for name in parts[0]}


def _frame(measures: ScanMeasures, slice_axis: int, dims: int) -> dict[str, np.ndarray]:
    n, has_slices = len(measures), slice_axis >= 0
    axes = np.array(DISPLAYED_AXES[slice_axis] if has_slices else range(dims))
    sign = np.full(dims, -1 if has_slices else 1)
    steps = _steps(measures, 3 if has_slices else dims)
    along = np.linalg.norm(steps, axis=1)
    shown = steps[:, :, axes] * sign
    grid = np.linalg.cholesky(np.swapaxes(shown, 1, 2) @ shown).swapaxes(1, 2)
    count, box = measures.shape[:, axes], measures.box[:, axes]
    ends = box if not has_slices else count[..., None] - box[..., ::-1]
    edge = np.einsum("nii->ni", grid)

    def placed(positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        at = positions[:, :, axes] if not has_slices else count[:, None] - 1 - positions[:, :, axes]
        slices = positions[:, :, slice_axis] if has_slices else np.zeros(positions.shape[:2], int)
        return (at + 0.5) @ grid.swapaxes(1, 2), slices

    anchors, anchor_slice = placed(measures.anchors)
    marks, mark_slice = placed(measures.marks)
    extents = np.empty(n, object)
    extents[:] = [
        None if extent is None else MeasuredPart.of(extent, has_slices, mm)
        for extent, mm in zip(measures.extents, edge, strict=True)
    ]
    return {
        "axes": np.tile(axes, (n, 1)),
        "sign": np.tile(sign, (n, 1)),
        "count": count,
        "grid": grid,
        "slice_count": measures.shape[:, slice_axis] if has_slices else np.ones(n, np.int64),
        "slice_mm": along[:, slice_axis] if has_slices else np.zeros(n),
        "slice_box": measures.box[:, slice_axis] - [0, 1] if has_slices else np.zeros((n, 2), np.int64),
        "low": edge * ends[..., 0],
        "high": edge * ends[..., 1],
        "extents": extents,
        "anchors": anchors,
        "anchor_slice": anchor_slice,
        "marks": marks,
        "mark_slice": mark_slice,
    }


def _steps(measures: ScanMeasures, spatial: int) -> np.ndarray:
    """Return millimeters per sample as columns (n, 3 or spatial, spatial); pixels where not known."""
    if spatial == 3:
        return measures.affine[:, :3, :3]
    spacing = np.where(np.isnan(measures.spacing_mm), 1.0, measures.spacing_mm)[:, :spatial]
    return spacing[:, None] * np.eye(spatial)


def _with_extent(**values: np.ndarray) -> ScanGeometry:
    """Add the field of view: a square round the tissue that fits in the scan."""
    length = np.einsum("nii,ni->ni", values["grid"], values["count"])
    covering = (values["high"] - values["low"]) >= THIN_BORDER * length
    values["low"] = np.where(covering, 0.0, values["low"])
    values["high"] = np.where(covering, length, values["high"])
    values["whole"] = (values["high"] - values["low"]).max(axis=1)
    values["fov"] = np.minimum(values["whole"], length.min(axis=1))
    return ScanGeometry(**values, start=np.zeros_like(length), end=length).within(np.zeros(len(length), int))
