"""The columns of a store that hold numbers per scan: memory-mapped, so that nothing is read at the start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from medcl.files import atomic
from medcl.store.extents import Extent
from medcl.store.measure import ANCHORS, Measures
from medcl.store.slices import slice_axis

TEXTS = (
    "scan",
    "fault",
    "fault_code",
    "mask_fault",
    "kind",
    "unit",
    "modality",
    "flags",
    "mask_from",
)

NUMBERS = {
    "fingerprint": pa.uint64(),
    "mask_fingerprint": pa.uint64(),
    "lo": pa.float64(),
    "hi": pa.float64(),
    "noise": pa.float64(),
}

PLACES = {
    "shard": pa.int32(),
    "first_block": pa.int64(),
    "valid_block": pa.int64(),
    "mask_block": pa.int64(),
    "dtype": pa.int8(),
    "mask_dtype": pa.int8(),
    "codec": pa.int8(),
}
"""Where the arrays of a scan lie: number of the shard and of their first blocks, -1 without. The types are
positions in `DTYPES`, the codec one in `medcl.store.blocks.CODECS`."""

DTYPES = ("uint8", "int16", "uint16", "float32", "bool")

MEASURES = {
    "slice_axis": (pa.int8(), 1),
    "channels": (pa.int8(), 1),
    "shape": (pa.int32(), 3),
    "spacing_mm": (pa.float64(), 3),
    "affine": (pa.float64(), 16),
    "box": (pa.int32(), 6),
    "anchors": (pa.int32(), 3 * ANCHORS),
    "marked": (pa.int8(), 1),
}
"""Arrow type and numbers per scan of the measured columns; see `ScanMeasures`."""

LISTS = ("marks", "extent")
"""Columns of numbers that few scans have, as lists."""

SCHEMA = pa.schema(
    [
        *[(name, pa.large_string()) for name in TEXTS],
        *NUMBERS.items(),
        *PLACES.items(),
        *[(name, kind if n == 1 else pa.list_(kind, n)) for name, (kind, n) in MEASURES.items()],
        *[(name, pa.large_list(pa.int32())) for name in LISTS],
    ]
)


Numbers = Sequence[int] | np.ndarray | None


@dataclass(frozen=True)
class ScanMeasures:
    """Geometry and measurements of n scans; images are one slice thick.

    Attributes:
        slice_axis: (n,) axis that slices of a volume are counted along; -1 for an image.
        channels: (n,) number of color channels; 0 without a color axis.
        shape: (n, 3) samples along each axis.
        spacing_mm: (n, 3) millimeters between samples; NaN where not known.
        affine: (n, 4, 4) from voxel to RAS+ millimeters; NaN for images.
        box: (n, 3, 2) first and one past the last voxel of the body.
        anchors: (n, 64, 3) voxels of the body; (n, 0, 3) where they were not asked for, as `marks`.
        marks: (n, 64, 3) voxels of the label mask; the middle of the box without one.
        marked: (n,) bool, whether there are such voxels.
        extents: (n,) what was measured of each scan; None where all of it was.
    """

    slice_axis: np.ndarray
    channels: np.ndarray
    shape: np.ndarray
    spacing_mm: np.ndarray
    affine: np.ndarray
    box: np.ndarray
    anchors: np.ndarray
    marks: np.ndarray
    marked: np.ndarray
    extents: np.ndarray

    @classmethod
    def of(cls, rows: Sequence[dict[str, Any]]) -> ScanMeasures:
        """Return the measures of rows that `measured_row` made."""
        columns = {name: np.array([row[name] for row in rows]) for name in MEASURES}
        return cls.from_columns(columns, *[[row[name] for row in rows] for name in LISTS])

    @classmethod
    def from_columns(
        cls, columns: dict[str, np.ndarray], marks: Sequence[Numbers], extents: Sequence[Numbers]
    ) -> ScanMeasures:
        """Return the measures in columns as they are stored."""
        n, anchors = len(columns["slice_axis"]), columns["anchors"].shape[1] // 3
        box = columns["box"].astype(np.int64).reshape(n, 3, 2)
        positions = np.repeat(box.mean(axis=2)[:, None].astype(np.int64), anchors, axis=1)
        parts = np.empty(n, object)
        for row, (marked, extent) in enumerate(zip(marks, extents, strict=True)):
            if marked is not None and anchors:
                positions[row] = np.reshape(marked, (anchors, 3))
            parts[row] = None if extent is None else Extent.from_flat(extent)
        return cls(
            slice_axis=columns["slice_axis"].astype(np.int64),
            channels=columns["channels"].astype(np.int64),
            shape=columns["shape"].astype(np.int64).reshape(n, 3),
            spacing_mm=columns["spacing_mm"].astype(float).reshape(n, 3),
            affine=columns["affine"].astype(float).reshape(n, 4, 4),
            box=box,
            anchors=columns["anchors"].astype(np.int64).reshape(n, anchors, 3),
            marks=positions,
            marked=columns["marked"].astype(bool),
            extents=parts,
        )

    def __len__(self) -> int:
        return len(self.slice_axis)

    def take(self, index: np.ndarray) -> ScanMeasures:
        """Return the measures of some of the scans."""
        return ScanMeasures(**{field.name: getattr(self, field.name)[index] for field in fields(self)})


def measured_row(
    shape: Sequence[int],
    spacing_mm: Sequence[float] | None,
    affine: np.ndarray | None,
    measures: Measures,
    valid: np.ndarray | None = None,
) -> dict[str, Any]:
    """Return the measured columns of one scan.

    Args:
        shape: Shape of its array; a trailing axis beyond space is color.
        spacing_mm: Millimeters between samples along each axis; None when not known.
        affine: (4, 4) of a volume; None for an image.
        measures: Its measurements.
        valid: Boolean mask of measured voxels; None when all were measured.
    """
    spatial = 2 if affine is None else 3
    axis = slice_axis(affine)
    extent = None if valid is None else Extent.of(valid, axis)
    box = np.array([*measures.box, 0, 1][:6])
    return {
        "slice_axis": axis,
        "channels": shape[spatial] if len(shape) > spatial else 0,
        "shape": [*shape[:spatial], 1][:3],
        "spacing_mm": [np.nan] * 3 if spacing_mm is None else [*spacing_mm[:spatial], np.nan][:3],
        "affine": np.full(16, np.nan) if affine is None else np.asarray(affine, float).ravel(),
        "box": box,
        "anchors": _positions(measures.anchors, box, spatial),
        "marks": _positions(measures.marked, box, spatial) if measures.marked else None,
        "marked": int(bool(measures.marked)),
        "extent": None if extent is None else extent.flat(),
    }


def _positions(flat: Sequence[int], box: np.ndarray, spatial: int) -> np.ndarray:
    """Return positions (64, 3), flat; without measured ones, the middle of the tissue box."""
    positions = np.zeros((ANCHORS, 3), int)
    if len(flat) == 0:
        positions[:, :spatial] = box.reshape(3, 2)[:spatial].mean(axis=1).astype(int)
    else:
        positions[:, :spatial] = np.resize(np.asarray(flat, int).reshape(-1, spatial), (ANCHORS, spatial))
    return positions.ravel()


def to_table(rows: Sequence[dict[str, Any]]) -> pa.Table:
    """Return rows as a table of `SCHEMA`; a column that a row lacks is null there."""
    return pa.table([_column([row.get(f.name) for row in rows], f.type) for f in SCHEMA], schema=SCHEMA)


def _column(values: list[Any], kind: pa.DataType) -> pa.Array:
    return pa.array([value.tolist() if isinstance(value, np.ndarray) else value for value in values], kind)


def write_arrow(table: pa.Table, path: Path) -> None:
    """Write a table for memory mapping, atomically: uncompressed and in one piece."""
    with atomic(path) as temporary, pa.ipc.new_file(temporary, table.schema) as writer:
        writer.write_table(table.combine_chunks())


def read_arrow(path: Path) -> pa.Table:
    """Return a table whose columns lie in the memory-mapped file."""
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).read_all()


class NumberColumns:
    """The numeric columns of a store, as NumPy views of the memory-mapped table.

    Args:
        table: Table with the columns `PLACES`, `MEASURES` and `LISTS`.
    """

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    @cached_property
    def places(self) -> dict[str, np.ndarray]:
        """The columns `PLACES`, each (n,)."""
        return {name: _numpy(self._table[name]) for name in PLACES}

    def measures(self, rows: np.ndarray, anchored: bool = True) -> ScanMeasures:
        """Return the measures of some rows; without reading `anchors` and `marks` unless `anchored`."""
        columns = {
            name: values[rows] if anchored or name != "anchors" else values[rows, :0]
            for name, values in self._measures.items()
        }
        return ScanMeasures.from_columns(columns, *[self._list(name, rows) for name in LISTS])

    def _list(self, name: str, rows: np.ndarray) -> list[Numbers]:
        """Return the numbers of each row in a column of lists, None where there are none."""
        offsets, values = self._lists[name]
        ends = zip(offsets[rows], offsets[rows + 1], strict=True)
        return [values[start:stop] if stop > start else None for start, stop in ends]

    @cached_property
    def _measures(self) -> dict[str, np.ndarray]:
        return {name: _numpy(self._table[name], width) for name, (_, width) in MEASURES.items()}

    @cached_property
    def _lists(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        if not len(self._table):
            return {name: (np.zeros(1, np.int64), np.zeros(0, np.int32)) for name in LISTS}
        columns = {name: self._table[name].chunk(0) for name in LISTS}
        return {
            name: (column.offsets.to_numpy(), column.values.to_numpy()) for name, column in columns.items()
        }


def _numpy(column: pa.ChunkedArray, width: int = 1) -> np.ndarray:
    if not len(column):
        return np.zeros(0 if width == 1 else (0, width))
    values = column.chunk(0)
    numbers: np.ndarray = (values if width == 1 else values.flatten()).to_numpy(zero_copy_only=True)
    return numbers if width == 1 else numbers.reshape(-1, width)
