"""Geometry and metadata of scans that views need, as arrays over rows, in the axes of the views.

A 2-D view of a volume lies perpendicular to the axis of coarsest spacing and is shown as radiologists see
it: axial slices with rows from anterior to posterior and columns from the patient's right to left, coronal
and sagittal ones with rows from superior to inferior. 3-D views keep the RAS axes of the array.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol

import numpy as np
import pandas as pd

from medcl.archive.flags import split_flags
from medcl.errors import UsageError
from medcl.views.sampling.extents import Extent

THIN_BORDER = 0.9
"""A tissue box that covers this much of an axis is taken to cover it: not worth a resampling."""

SIDES_UNKNOWN = {"XFORM_UNKNOWN", "XFORM_CONFLICT"}
"""Flags of scans whose left and right are not certain."""

DISPLAYED_AXES = {0: (2, 1), 1: (2, 0), 2: (1, 0)}
"""Slice axis to (row, column) source axes; both run against the source axis."""


class ScanSource(Protocol):
    """The part of a store that views read."""

    @property
    def scans(self) -> pd.DataFrame:
        """The table of scans, as `medcl.store.Store.scans`."""

    def array(self, row: int) -> np.ndarray:
        """Return the scan's pixels."""

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
        extents: (n,) the measured box of each slice (`Extent`), or None where all of it was measured.
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


def read_geometry(store: ScanSource, rows: Sequence[int] | np.ndarray, dims: int = 2) -> ScanGeometry:
    """Read the geometry of `rows` for views of `dims` dimensions.

    Raises:
        UsageError: 3-D views of an image.
    """
    rows = np.asarray(rows, np.int64)
    scans = store.scans.iloc[rows]
    records = [
        _scan_fields(store, int(row), scan, dims) for row, scan in zip(rows, _rows(scans), strict=True)
    ]
    extents = np.empty(len(records), object)
    extents[:] = [one.pop("extents") for one in records]
    stacked = {key: np.stack([one[key] for one in records]) for key in records[0]}
    return _with_extent(
        **stacked,
        extents=extents,
        sided=np.array([not SIDES_UNKNOWN & split_flags(flags) for flags in _texts(scans, "flags")]),
        rows=rows,
        fingerprint=scans["fingerprint"].to_numpy(np.uint64),
        lo=scans["lo"].to_numpy(float),
        hi=np.maximum(scans["hi"].to_numpy(float), scans["lo"].to_numpy(float) + 1e-6),
        noise=scans["noise"].to_numpy(float),
        unit=scans["unit"].to_numpy(str),
        body_part=_texts(scans, "body_part"),
    )


def _rows(scans: pd.DataFrame) -> list[dict[str, Any]]:
    wanted = [c for c in ("scan", "kind", "shape", "spacing_mm", "box", "anchors", "marked") if c in scans]
    rows: list[dict[str, Any]] = scans[wanted].to_dict("records")
    return rows


def _texts(scans: pd.DataFrame, column: str) -> np.ndarray:
    texts = scans[column].astype(object).fillna("") if column in scans else pd.Series("", index=scans.index)
    return np.asarray(texts.to_numpy(str))


def _scan_fields(store: ScanSource, row: int, scan: dict[str, Any], dims: int) -> dict[str, Any]:
    volume = scan["kind"] == "volume"
    if dims == 3 and not volume:
        raise UsageError(f"scan {scan['scan']} is a 2-D image; 3-D views need volumes")
    spatial = 3 if volume else 2
    shape = np.asarray(scan["shape"], int)[:spatial]
    affine = store.affine(row) if volume else None
    spacing = scan["spacing_mm"]
    spaced = spacing is not None
    steps = affine[:3, :3] if affine is not None else np.diag(_spacing(spacing, spatial))
    along = np.linalg.norm(steps, axis=0)
    slice_axis = coarsest_axis(along) if volume and dims == 2 else -1
    axes = np.array(DISPLAYED_AXES[slice_axis] if slice_axis >= 0 else range(dims))
    sign = np.full(dims, -1 if slice_axis >= 0 else 1)
    shown = steps[:, axes] * sign
    grid = np.linalg.cholesky(shown.T @ shown).T
    box = np.asarray(scan["box"], int).reshape(spatial, 2)
    marked = len(() if scan.get("marked") is None else scan["marked"]) > 0
    valid = store.valid(row)
    ends = np.where(sign[:, None] > 0, box[axes], shape[axes][:, None] - box[axes][:, ::-1])
    edge = np.diag(grid)

    def placed(name: str) -> tuple[np.ndarray, np.ndarray]:
        at = _positions(scan.get(name), box, spatial)
        shown = np.where(sign > 0, at[:, axes], shape[axes] - 1 - at[:, axes])
        return (shown + 0.5) @ grid.T, at[:, slice_axis] if slice_axis >= 0 else np.zeros(len(at), int)

    anchors, anchor_slice = placed("anchors")
    marks, mark_slice = placed("marked")
    return {
        "axes": axes,
        "sign": sign,
        "count": shape[axes],
        "grid": grid,
        "slice_axis": np.int64(slice_axis),
        "slice_count": np.int64(shape[slice_axis] if slice_axis >= 0 else 1),
        "slice_mm": np.float64(along[slice_axis] if slice_axis >= 0 else 0.0),
        "slice_box": np.array([0, 0]) if slice_axis < 0 else box[slice_axis] - np.array([0, 1]),
        "low": edge * ends[:, 0],
        "high": edge * ends[:, 1],
        "extents": None if valid is None else Extent.of(valid, slice_axis, axes, sign, edge),
        "anchors": anchors,
        "anchor_slice": anchor_slice,
        "marked": np.bool_(marked),
        "marks": marks,
        "mark_slice": mark_slice,
        "spaced": np.bool_(spaced),
    }


def _spacing(spacing: object, spatial: int) -> np.ndarray:
    return np.ones(spatial) if spacing is None else np.asarray(spacing, float)[:spatial]


def coarsest_axis(along: np.ndarray) -> int:
    """Return the axis of coarsest spacing, along which slices are counted.

    Of equally coarse ones it is the last, which makes slices axial.

    Args:
        along: (3,) spacing along each axis.
    """
    return int(np.flatnonzero(along >= along.max() * 0.99)[-1])


def _positions(flat: Any, box: np.ndarray, spatial: int) -> np.ndarray:
    """Return positions (64, spatial); without measured ones, the middle of the tissue box."""
    if flat is None or len(flat) == 0:
        return np.repeat(box.mean(axis=1)[None].astype(int), 64, axis=0)
    return np.resize(np.asarray(flat, int).reshape(-1, spatial), (64, spatial))


def _with_extent(**values: np.ndarray) -> ScanGeometry:
    """Add the field of view: a square round the tissue that fits in the scan."""
    length = np.einsum("nii,ni->ni", values["grid"], values["count"])
    covering = (values["high"] - values["low"]) >= THIN_BORDER * length
    values["low"] = np.where(covering, 0.0, values["low"])
    values["high"] = np.where(covering, length, values["high"])
    values["whole"] = (values["high"] - values["low"]).max(axis=1)
    values["fov"] = np.minimum(values["whole"], length.min(axis=1))
    return ScanGeometry(**values, start=np.zeros_like(length), end=length).within(np.zeros(len(length), int))
