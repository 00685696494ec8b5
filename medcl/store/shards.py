"""Shards: the scans of a store that are written together, whole or not at all.

A shard is `arrays/0000/0000012.arrow` (a row per scan) beside `0000012.bin` and `0000012.blocks.npy` (their
arrays, see `medcl.store.blocks`). The table is written last, so an interrupted `prepare` can resume.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from medcl.archive import ArchiveError, Catalog
from medcl.errors import UsageError
from medcl.store.blocks import CODECS, Codec, ShardWriter, writing_shard
from medcl.store.columns import DTYPES, to_table, write_arrow
from medcl.store.form import StoreForm
from medcl.store.labels import Labels
from medcl.store.slices import slice_axis, slices_first
from medcl.store.stored_scan import stored_scan

LEAST_SCANS, MOST_SCANS = 64, 2**16
LEAST_VOXELS, MOST_VOXELS = 2**22, 2**31
SHARDS = 64
"""A store has about this many shards, within the limits above, so that several processes share the work; a
shard of the largest size has 4 GB of 16-bit voxels."""


def write_shard(
    catalog: Catalog,
    scans: Sequence[str],
    labels: Labels,
    path: Path,
    form: StoreForm,
    crashed: frozenset[str] = frozenset(),
) -> None:
    """Read `scans` and write them as one shard at `path` (its name without suffix).

    Args:
        catalog: Catalog that the scans are read from.
        scans: Scan pseudonyms.
        labels: Masks, boxes and modalities to store with the scans.
        path: For example `STORE/arrays/0000/0000012`.
        form: Form in which they are stored.
        crashed: Scans that must not be read, because this ends the process.

    A scan that cannot be read becomes a row with a `fault` and without pixels.
    """
    with writing_shard(path) as writer:
        rows = [
            _fault(catalog, scan) if scan in crashed else _stored_row(catalog, scan, labels, writer, form)
            for scan in scans
        ]
    write_arrow(to_table([{**row, "shard": int(path.name)} for row in rows]), path.with_suffix(".arrow"))


def _fault(catalog: Catalog, scan: str) -> dict[str, Any]:
    catalog.record_fault(scan, "CRASHED")
    return _fault_row(ArchiveError(scan, "CRASHED"), scan)


def _fault_row(error: UsageError, scan: str) -> dict[str, Any]:
    code = error.code if isinstance(error, ArchiveError) else "UNREADABLE"
    return {"scan": scan, "fault": str(error), "fault_code": code}


def _stored_row(
    catalog: Catalog, scan: str, labels: Labels, writer: ShardWriter, form: StoreForm
) -> dict[str, Any]:
    try:
        stored = stored_scan(catalog, scan, labels, form)
    except UsageError as error:
        return _fault_row(error, scan)
    axis = slice_axis(stored.affine)
    places = write_arrays(writer, axis, stored.array, stored.valid, stored.mask, form.codec)
    return {**stored.row, **places}


def write_arrays(
    writer: ShardWriter,
    axis: int,
    array: np.ndarray,
    valid: np.ndarray | None = None,
    mask: np.ndarray | None = None,
    codec: Codec = "raw",
) -> dict[str, int]:
    """Write the arrays of one scan and return where they lie, as the columns `PLACES` without `shard`.

    Args:
        writer: Writer of the shard.
        axis: Slice axis of a volume, along which it is cut into blocks; -1 for an image.
        array: Pixels of a stored type.
        valid: Boolean mask of measured voxels, if not all are.
        mask: Label mask, if there is one.
        codec: How pixels are encoded.
    """

    def block(part: np.ndarray | None, codec: Codec) -> int:
        return -1 if part is None else writer.add(slices_first(part, axis), codec)

    return {
        "first_block": block(array, codec),
        "valid_block": block(valid, "zlib"),
        "mask_block": block(mask, "raw"),
        "dtype": DTYPES.index(array.dtype.name),
        "mask_dtype": -1 if mask is None else DTYPES.index(mask.dtype.name),
        "codec": CODECS.index(codec),
    }


def shard_limits(scans: int, voxels: int) -> tuple[int, int]:
    """Return how many scans and voxels a shard may hold in a store of `scans` with `voxels` together."""
    most_scans = int(np.clip(scans // SHARDS, LEAST_SCANS, MOST_SCANS))
    return most_scans, int(np.clip(voxels // SHARDS, LEAST_VOXELS, MOST_VOXELS))


def shard_plan(scans: pd.DataFrame) -> list[list[str]]:
    """Return the scans of each shard: the catalog's rows, in order, with bounded count and size."""
    voxels = [int(np.prod([int(n) for n in str(shape).split("x")])) for shape in scans["shape"]]
    most_scans, most_voxels = shard_limits(len(voxels), sum(voxels))
    shards: list[list[str]] = []
    filled = most_voxels
    for scan, size in zip(scans["scan"], voxels, strict=True):
        if not shards or len(shards[-1]) == most_scans or filled + size > most_voxels:
            shards.append([])
            filled = 0
        shards[-1].append(scan)
        filled += size
    return shards
