"""A prepared store: scans as memory-mapped arrays, with a table of their measurements."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from medcl.archive.flags import split_flags
from medcl.errors import UsageError
from medcl.files import read_json


class Store:
    """Read-only access to a folder that `prepare` wrote.

    Rows are numbered 0 to n - 1 in the order of their pixel fingerprints, so numbering, splits and views do
    not depend on file names, folder order or the pseudonym key.

    Attributes:
        folder: Its folder.
        scans: A row per scan: `scan, patient, site, modality, kind, shape, spacing_mm, unit, flags, label,
            split, duplicate, fingerprint, lo, hi, noise, box, anchors, mask_from` (`voxels`, `boxes` of the
            label table, or empty) and the label table's `sex`, `age`.
        record: Content of `store.json`: seed, label classes, splits, duplicates, faults.
    """

    def __init__(self, folder: Path, scans: pd.DataFrame, record: dict[str, Any]) -> None:
        self.folder = folder
        self.scans = scans
        self.record = record

    @classmethod
    def open(cls, folder: Path) -> Store:
        """Open a finished store.

        Raises:
            UsageError: there is no store, or `prepare` did not finish it.
        """
        if not (folder / "store.json").is_file():
            state = (
                "an unfinished store; run the same 'medcl prepare' again" if folder.is_dir() else "no store"
            )
            raise UsageError(f"{folder}: {state}")
        scans = pd.read_parquet(folder / "scans.parquet").merge(
            pd.read_parquet(folder / "splits.parquet")[["scan", "split"]], on="scan", validate="1:1"
        )
        return cls(folder, scans, read_json(folder / "store.json"))

    def __len__(self) -> int:
        return len(self.scans)

    def __reduce__(self) -> tuple[Callable[[Path], Store], tuple[Path]]:
        """Pickle as the path of its folder: each process maps the arrays itself."""
        return Store.open, (self.folder,)

    def array(self, row: int) -> np.ndarray:
        """Return the scan's pixels as a read-only view of the file; axes as in `medcl.archive.Scan`."""
        entry = self._entries[row]
        return self._slice(entry["shard"], entry["dtype"], entry["offset"], entry["shape"])

    def valid(self, row: int) -> np.ndarray | None:
        """Return the boolean mask of measured voxels, or None when every voxel was measured."""
        entry = self._entries[row]
        if entry["valid_offset"] < 0:
            return None
        return self._slice(entry["shard"], "bool", entry["valid_offset"], entry["spatial"])

    def mask(self, row: int) -> np.ndarray | None:
        """Return the label mask (uint8 or uint16, 0 is background), or None when the scan has none."""
        entry = self._entries[row]
        if entry["mask_offset"] < 0:
            return None
        return self._slice(entry["shard"], entry["mask_dtype"], entry["mask_offset"], entry["spatial"])

    def showable(self) -> list[int]:
        """Return the rows of the scans that may be shown: those without a risk of burned-in text.

        Raises:
            UsageError: there are none.
        """
        rows = np.flatnonzero(["BURNED_IN_RISK" not in split_flags(flags) for flags in self.scans["flags"]])
        if not len(rows):
            raise UsageError(
                f"{self.folder}: every scan may have text burned in (BURNED_IN_RISK), so none is shown"
            )
        return [int(row) for row in rows]

    def affine(self, row: int) -> np.ndarray | None:
        """Return the (4, 4) affine from voxel index to RAS+ millimeters, or None for an image."""
        affine: np.ndarray | None = self._entries[row]["affine"]
        return affine

    def rows(self, split: str) -> np.ndarray:
        """Return the row numbers of one split."""
        return np.flatnonzero(self.scans["split"].to_numpy() == split)

    def _slice(self, shard: str, dtype: str, offset: int, shape: tuple[int, ...]) -> np.ndarray:
        flat = self._maps.get((shard, dtype))
        if flat is None:
            flat = np.load(self.folder / "arrays" / f"{shard}-{dtype}.npy", mmap_mode="r", allow_pickle=False)
            self._maps[shard, dtype] = flat
        return flat[offset : offset + int(np.prod(shape))].reshape(shape)

    @cached_property
    def _maps(self) -> dict[tuple[str, str], np.ndarray]:
        return {}

    @cached_property
    def _entries(self) -> list[dict[str, Any]]:
        """Place and shape of each row's pixels, as plain Python values: looked up for every view."""
        columns = ["shard", "dtype", "offset", "shape", "valid_offset", "mask_offset", "mask_dtype", "affine"]
        entries: list[dict[str, Any]] = self.scans[columns].to_dict("records")
        for entry in entries:
            entry["shape"] = tuple(int(n) for n in entry["shape"])
            affine = entry["affine"]
            entry["affine"] = None if affine is None else np.asarray(affine, float).reshape(4, 4)
            entry["spatial"] = entry["shape"][: 2 if affine is None else 3]
        return entries
