"""Patches: pieces of a store's scans that are shown, taught and learned from as scans of their own.

A patch is a source of views whose tissue box is the patch and whose pixels reach a little further, so that a
turned view shows the patient's next tissue and no padding. All limits of a policy hold for it as for a scan.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from medcl.files import atomic, write_json, write_table
from medcl.store import Store
from medcl.views.sampling.keyed_random import combine
from medcl.views.sampling.scan_geometry import coarsest_axis

MARGIN = 0.2
"""Share of a patch's edge by which its pixels reach beyond it: a cube turned as far as any shipped policy
turns one stays inside."""

_OF_THE_SCAN = ("patient", "site", "kind", "modality", "body_part", "unit", "flags", "spacing_mm")
_MEASURED = ("lo", "hi", "noise")


@dataclass(frozen=True)
class Patches:
    """Patches of scans, read from the scans when they are asked for; a `ScanSource` for views.

    Attributes:
        store: the scans.
        scans: a row a patch: what a store says of a scan (range and noise are those of the whole scan), and
            `row` (of the store), `start` and `stop` (voxels of the patch), `first` and `last` (of pixels).
    """

    store: Store
    scans: pd.DataFrame

    def __len__(self) -> int:
        return len(self.scans)

    def array(self, row: int) -> np.ndarray:
        """Return the pixels of a patch and its margin."""
        return self.store.array(self._row[row])[self._voxels(row)]

    def valid(self, row: int) -> np.ndarray | None:
        """Return which of those were measured; None when the whole scan was."""
        valid = self.store.valid(self._row[row])
        return None if valid is None else valid[self._voxels(row)]

    def mask(self, row: int) -> np.ndarray | None:
        """Return the mask of those pixels; None when the scan has none."""
        mask = self.store.mask(self._row[row])
        return None if mask is None else mask[self._voxels(row)]

    def affine(self, row: int) -> np.ndarray:
        """Return the affine (4, 4) from voxels of the patch to RAS+ millimeters."""
        moved = _affine(self.store, self._row[row]).copy()
        moved[:, 3] = moved @ np.append(self._ends[row, 0], 1.0)
        return moved

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
        """Write the patches as a store of scans, whole or not at all; one that is there is opened."""
        if not (folder / "store.json").is_file():
            with atomic(folder) as temporary:
                (temporary / "arrays").mkdir(parents=True)
                self._write(temporary)
        return Store.open(folder)

    def _write(self, folder: Path) -> None:
        arrays = [self.array(row) for row in range(len(self))]
        valid = [self.valid(row) for row in range(len(self))]
        dtypes = np.array([array.dtype.name for array in arrays])
        offset = np.zeros(len(self), np.int64)
        for name in sorted(set(dtypes)):
            chosen = np.flatnonzero(dtypes == name)
            offset[chosen] = _save(folder, name, [arrays[n] for n in chosen])
        measured = np.full(len(self), -1, np.int64)
        known = [n for n, part in enumerate(valid) if part is not None]
        if known:
            measured[known] = _save(folder, "bool", [part for part in valid if part is not None])
        placed = self.scans.drop(columns="split").assign(
            shard="00000",
            dtype=dtypes,
            offset=offset,
            valid_offset=measured,
            mask_offset=-1,
            affine=[self.affine(row).ravel().tolist() for row in range(len(self))],
        )
        write_table(placed, folder / "scans.parquet")
        write_table(self.scans[["scan", "patient", "label", "split"]], folder / "splits.parquet")
        write_json({"of": self.store.folder.name, "scans": len(self), "faults": {}}, folder / "store.json")


def _save(folder: Path, name: str, arrays: list[np.ndarray]) -> np.ndarray:
    """Write arrays end to end and return where each begins."""
    flat = np.concatenate([array.ravel() for array in arrays])
    np.save(folder / "arrays" / f"00000-{name}.npy", flat, allow_pickle=False)
    return np.cumsum([0, *[array.size for array in arrays[:-1]]])


def patch_shape(store: Store, row: int, edge_mm: float, dims: int) -> np.ndarray:
    """Return the voxels (3,) of a patch of a scan: of a cube, or for views of 2 `dims` of a square of one
    slice. A scan that is thinner than the edge is taken as it is.
    """
    along = np.linalg.norm(_affine(store, row)[:3, :3], axis=0)
    shape = np.maximum(np.rint(edge_mm / along), 1).astype(int)
    if dims == 2:
        shape[coarsest_axis(along)] = 1
    return np.minimum(shape, store.array(row).shape)


def starts(centers: np.ndarray, shape: np.ndarray, scan: tuple[int, ...]) -> np.ndarray:
    """Return the first voxels (N, 3) of patches of `shape` round `centers` (N, 3), moved into the scan."""
    found: np.ndarray = np.clip(centers - shape // 2, 0, np.array(scan) - shape)
    return found


def patches_at(
    store: Store, row: int, centers: np.ndarray, edge_mm: float, dims: int, label: np.ndarray | None = None
) -> Patches:
    """Return the patches of a scan round `centers` (N, 3) in voxels.

    Args:
        store, row: the scan, a volume.
        centers: voxels; a patch that would stick out of the scan is moved into it.
        edge_mm, dims: see `patch_shape`.
        label: (N,) class names.
    """
    scan, size = store.scans.iloc[row], np.array(store.array(row).shape)
    shape = patch_shape(store, row, edge_mm, dims)
    start = starts(np.asarray(centers), shape, tuple(size))
    margin = np.where(shape > 1, np.ceil(MARGIN * shape), 0).astype(int)
    first, last = np.maximum(start - margin, 0), np.minimum(start + shape + margin, size)
    box = np.stack([start - first, start - first + shape], axis=-1).reshape(-1, 6)
    key = np.full(len(start), scan["fingerprint"], np.uint64)
    names = [f"{scan['scan']}-{i}-{j}-{k}" for i, j, k in start]
    same = {name: [scan[name]] * len(start) for name in _OF_THE_SCAN if name in store.scans}
    measured = {name: float(scan[name]) for name in _MEASURED}
    columns = {"start": start, "stop": start + shape, "first": first, "last": last, "box": box}
    return Patches(
        store,
        pd.DataFrame(
            {"scan": names, "row": row, **same, **measured}
            | {name: list(values) for name, values in columns.items()}
            | {
                "shape": list(last - first),
                "fingerprint": combine(key, *start.T, int(shape.max())),
                "label": [None] * len(start) if label is None else label,
                "split": "train",
                "duplicate": "",
            }
        ),
    )


def joined(parts: list[Patches]) -> Patches:
    """Return the patches of several scans of one store as one."""
    return Patches(parts[0].store, pd.concat([part.scans for part in parts], ignore_index=True))


def _affine(store: Store, row: int) -> np.ndarray:
    affine = store.affine(row)
    assert affine is not None, "patches are cut from volumes"
    return affine
