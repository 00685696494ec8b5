"""Patches: parts of a store's scans that are used for training as scans of their own.

The tissue box of a patch is the patch itself; its pixels reach a little further, so that a rotated view shows
the adjacent tissue and no padding. All limits of a policy hold for it as for a scan.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from medcl.files import atomic, write_json, write_table
from medcl.store import Store
from medcl.views import coarsest_axis
from medcl.views.sampling.keyed_random import combine

MARGIN = 0.2
"""Share of a patch's edge by which its pixels reach beyond it: a cube rotated as far as any shipped policy
rotates one stays inside."""

_COPIED = ("patient", "site", "kind", "modality", "body_part", "unit", "flags", "spacing_mm")
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

    def array(self, row: int) -> np.ndarray:
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
                (temporary / "arrays").mkdir(parents=True)
                self._write(temporary)
        return Store.open(folder)

    def _write(self, folder: Path) -> None:
        arrays = [self.array(row) for row in range(len(self))]
        valid = [self.valid(row) for row in range(len(self))]
        dtypes = np.array([array.dtype.name for array in arrays])
        offset = np.zeros(len(self), np.int64)
        for name in sorted(set(dtypes)):
            rows = np.flatnonzero(dtypes == name)
            offset[rows] = _save(folder, name, [arrays[n] for n in rows])
        valid_offset = np.full(len(self), -1, np.int64)
        with_valid = [n for n, part in enumerate(valid) if part is not None]
        if with_valid:
            valid_offset[with_valid] = _save(folder, "bool", [part for part in valid if part is not None])
        scans = self.scans.drop(columns="split").assign(
            shard="00000",
            dtype=dtypes,
            offset=offset,
            valid_offset=valid_offset,
            mask_offset=-1,
            mask_dtype="",
            affine=[self.affine(row).ravel().tolist() for row in range(len(self))],
        )
        write_table(scans, folder / "scans.parquet")
        write_table(self.scans[["scan", "patient", "label", "split"]], folder / "splits.parquet")
        write_json({"of": self.store.folder.name, "scans": len(self), "faults": {}}, folder / "store.json")


def _save(folder: Path, name: str, arrays: list[np.ndarray]) -> np.ndarray:
    """Write arrays end to end and return where each begins."""
    flat = np.concatenate([array.ravel() for array in arrays])
    np.save(folder / "arrays" / f"00000-{name}.npy", flat, allow_pickle=False)
    return np.cumsum([0, *[array.size for array in arrays[:-1]]])


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
                "shape": list(last - first),
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
