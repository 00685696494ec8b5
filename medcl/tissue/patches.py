"""Patches: parts of a store's scans that are used for training as scans of their own.

The tissue box of a patch is the patch itself; its pixels reach a little further, so that a rotated view shows
the adjacent tissue and no padding. All limits of a policy hold for it as for a scan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from medcl.files import atomic, write_json, write_table
from medcl.store import Store
from medcl.store.blocks import ShardWriter, shard_path, writing_shard
from medcl.store.columns import ScanMeasures, measured_row, to_table, write_arrow
from medcl.store.measure import Measures
from medcl.store.shards import write_arrays
from medcl.store.slices import coarsest_axis, slice_axis
from medcl.store.store import FORMAT, joined_columns
from medcl.views.sampling.keyed_random import combine

MARGIN = 0.2
"""Share of a patch's edge by which its pixels reach beyond it: a cube rotated as far as any shipped policy
rotates one stays inside."""

_COPIED = ("patient", "site", "kind", "modality", "body_part", "unit", "flags")
_MEASURED = ("lo", "hi", "noise")


@dataclass(frozen=True)
class Patches:
    """Patches of scans, read from the scans on demand; a `ScanSource` for views.

    Attributes:
        store: The scans.
        scans: One row per patch, with the columns of a store (range and noise are those of the whole scan),
            and `row` (of the store), `start` and `stop` (voxels of the patch), `first` and `last` (voxels of
            its pixels, with the margin).
    """

    store: Store
    scans: pd.DataFrame

    def __len__(self) -> int:
        return len(self.scans)

    def measures(self, rows: Sequence[int] | np.ndarray, anchored: bool = True) -> ScanMeasures:
        """Return geometry and measurements of some patches."""
        return ScanMeasures.of([self._measured(int(row)) for row in rows])

    def _measured(self, row: int) -> dict[str, Any]:
        affine, scan = self.affine(row), self.scans.iloc[row]
        shape = [int(n) for n in self._ends[row, 1] - self._ends[row, 0]]
        box = tuple(int(n) for n in scan["box"])
        known = Measures(int(scan["fingerprint"]), scan["lo"], scan["hi"], scan["noise"], box, anchors=())
        spacing = [float(n) for n in np.linalg.norm(affine[:3, :3], axis=0)]
        return measured_row(shape, spacing, affine, known, self.valid(row))

    def array(self, row: int, box: np.ndarray | None = None) -> np.ndarray:
        """Return the pixels of a patch and its margin."""
        return self.store.array(self._row[row])[self._voxels(row)]

    def valid(self, row: int) -> np.ndarray | None:
        """Return which of those are valid, boolean; None when the whole scan is."""
        valid = self.store.valid(self._row[row])
        return None if valid is None else valid[self._voxels(row)]

    def mask(self, row: int) -> np.ndarray | None:
        """Return the mask of those pixels; None when the scan has none."""
        mask = self.store.mask(self._row[row])
        return None if mask is None else mask[self._voxels(row)]

    def affine(self, row: int) -> np.ndarray:
        """Return the affine (4, 4) from voxels of `array` to RAS+ millimeters."""
        affine = _affine(self.store, self._row[row]).copy()
        affine[:, 3] = affine @ np.append(self._ends[row, 0], 1.0)
        return affine

    @cached_property
    def _row(self) -> list[int]:
        return [int(row) for row in self.scans["row"]]

    @cached_property
    def _ends(self) -> np.ndarray:
        """(N, 2, 3) first and one past the last voxel of the pixels."""
        return np.stack([np.stack(self.scans[name].to_list()) for name in ("first", "last")], axis=1)

    def _voxels(self, row: int) -> tuple[slice, ...]:
        return tuple(map(slice, *self._ends[row]))

    def write(self, folder: Path) -> Store:
        """Write the patches as a store of scans, whole or not at all; open it if it exists."""
        if not (folder / "store.json").is_file():
            with atomic(folder) as temporary:
                self._write(temporary)
        return Store.open(folder)

    def _write(self, folder: Path) -> None:
        path = shard_path(folder, 0)
        with writing_shard(path) as writer:
            rows = [self._stored_row(row, writer) for row in range(len(self))]
        scans = self.scans.drop(columns=["split", "first", "last", "box"])
        write_arrow(joined_columns(scans, to_table(rows)), folder / "scans.arrow")
        write_table(self.scans[["scan", "patient", "label", "split"]], folder / "splits.parquet")
        record = {"format": FORMAT, "of": self.store.folder.name, "scans": len(self), "faults": {}}
        write_json(record, folder / "store.json")

    def _stored_row(self, row: int, writer: ShardWriter) -> dict[str, Any]:
        axis = slice_axis(self.affine(row))
        places = write_arrays(writer, axis, self.array(row), self.valid(row))
        return {**self._measured(row), **places, "shard": 0}


def patch_shape(store: Store, row: int, edge_mm: float, dims: int) -> np.ndarray:
    """Return the shape (3,) in voxels of a patch of a scan: a cube, or one slice of it when `dims` is 2.

    A scan that is thinner than the edge is used as it is.
    """
    spacing = np.linalg.norm(_affine(store, row)[:3, :3], axis=0)
    shape = np.maximum(np.rint(edge_mm / spacing), 1).astype(int)
    if dims == 2:
        shape[coarsest_axis(spacing)] = 1
    fitted: np.ndarray = np.minimum(shape, store.array(row).shape)
    return fitted


def patch_starts(centers: np.ndarray, shape: np.ndarray, scan: tuple[int, ...]) -> np.ndarray:
    """Return the first voxels (N, 3) of patches of `shape` around `centers` (N, 3), moved into the scan."""
    start: np.ndarray = np.clip(centers - shape // 2, 0, np.array(scan) - shape)
    return start


def patches_at(
    store: Store, row: int, centers: np.ndarray, edge_mm: float, dims: int, label: np.ndarray | None = None
) -> Patches:
    """Return the patches of a scan around `centers`.

    Args:
        store: The scans.
        row: Row of the scan, a volume.
        centers: (N, 3) voxels; a patch that would extend beyond the scan is moved into it.
        edge_mm: Edge of a patch.
        dims: 2 for squares of one slice, 3 for cubes.
        label: (N,) class names.
    """
    scan, size = store.scans.iloc[row], np.array(store.array(row).shape)
    shape = patch_shape(store, row, edge_mm, dims)
    start = patch_starts(np.asarray(centers), shape, tuple(size))
    margin = np.where(shape > 1, np.ceil(MARGIN * shape), 0).astype(int)
    first, last = np.maximum(start - margin, 0), np.minimum(start + shape + margin, size)
    box = np.stack([start - first, start - first + shape], axis=-1).reshape(-1, 6)
    key = np.full(len(start), scan["fingerprint"], np.uint64)
    names = [f"{scan['scan']}-{i}-{j}-{k}" for i, j, k in start]
    copied = {name: [scan[name]] * len(start) for name in _COPIED if name in store.scans}
    measured = {name: float(scan[name]) for name in _MEASURED}
    columns = {"start": start, "stop": start + shape, "first": first, "last": last, "box": box}
    return Patches(
        store,
        pd.DataFrame(
            {"scan": names, "row": row, **copied, **measured}
            | {name: list(values) for name, values in columns.items()}
            | {
                "fingerprint": combine(key, *start.T, int(shape.max())),
                "label": [None] * len(start) if label is None else label,
                "split": "train",
                "duplicate": "",
            }
        ),
    )


def join_patches(parts: list[Patches]) -> Patches:
    """Join the patches of several scans of one store."""
    return Patches(parts[0].store, pd.concat([part.scans for part in parts], ignore_index=True))


def _affine(store: Store, row: int) -> np.ndarray:
    affine = store.affine(row)
    assert affine is not None, "patches are cut from volumes"
    return affine
