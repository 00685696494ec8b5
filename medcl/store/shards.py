"""Arrays on disk: flat memory-mapped files, one per shard and dtype, with a table of offsets.

A shard is `arrays/00012.parquet` (a row per scan) beside `arrays/00012-<dtype>.npy` (its pixels end to end).
It is written whole or not at all, so that an interrupted `prepare` can resume.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from medcl.archive import (
    ArchiveError,
    Catalog,
    Scan,
    orthogonal,
    orthogonal_labels,
    read,
    read_mask,
)
from medcl.archive.flags import join_flags
from medcl.errors import UsageError
from medcl.files import atomic, write_table
from medcl.store.boxes import draw_boxes
from medcl.store.labels import Labels
from medcl.store.measure import measure

STORED = ("uint8", "int16", "uint16", "float32")
"""Pixel types of a store."""


def write_shard(
    catalog: Catalog,
    scans: Sequence[str],
    labels: Labels,
    folder: Path,
    crashed: frozenset[str] = frozenset(),
) -> None:
    """Read `scans` and write them as one shard at `folder` (its name without suffix).

    Args:
        catalog: Catalog that the scans are read from.
        scans: Scan pseudonyms.
        labels: Masks, boxes and modalities to store with the scans.
        folder: For example `STORE/arrays/00012`.
        crashed: Scans that must not be read, because this ends the process.

    A scan that cannot be read becomes a row with a `fault` and without pixels.
    """
    pixels = _Pixels()
    rows = [
        _fault(catalog, scan) if scan in crashed else _stored_row(catalog, scan, labels, pixels)
        for scan in scans
    ]
    pixels.write(folder)
    write_table(pd.DataFrame(rows), folder.with_suffix(".parquet"))


def _fault(catalog: Catalog, scan: str) -> dict[str, Any]:
    catalog.record_fault(scan, "CRASHED")
    return _fault_row(ArchiveError(scan, "CRASHED"), scan)


def _fault_row(error: UsageError, scan: str) -> dict[str, Any]:
    code = error.code if isinstance(error, ArchiveError) else "UNREADABLE"
    return {"scan": scan, "fault": str(error), "fault_code": code}


class _Pixels:
    """Arrays of one shard, joined by dtype."""

    def __init__(self) -> None:
        self.parts: dict[str, list[np.ndarray]] = {}
        self.length: dict[str, int] = {}

    def add(self, array: np.ndarray) -> tuple[str, int]:
        name = array.dtype.name
        offset = self.length.get(name, 0)
        self.parts.setdefault(name, []).append(np.ascontiguousarray(array).ravel())
        self.length[name] = offset + array.size
        return name, offset

    def write(self, folder: Path) -> None:
        for name, parts in self.parts.items():
            target = folder.with_name(f"{folder.name}-{name}.npy")
            with atomic(target) as temporary, temporary.open("wb") as stream:
                np.save(stream, np.concatenate(parts), allow_pickle=False)


def _stored_row(catalog: Catalog, scan: str, labels: Labels, pixels: _Pixels) -> dict[str, Any]:
    try:
        original = _with_modality(read(catalog, scan), labels.modality.get(scan))
        stored = _orthogonal(original)
    except UsageError as error:
        return _fault_row(error, scan)
    mask, mask_fault = _mask(catalog, scan, labels.mask.get(scan))
    if mask is not None and stored is not original and original.affine is not None:
        mask = orthogonal_labels(mask, original.affine)
    array = stored_type(stored.array)
    spatial = 3 if stored.is_volume else 2
    boxes = labels.box.get(scan)
    if boxes:
        mask = draw_boxes(boxes, stored.affine, array.shape[:spatial])
    measures = measure(array, stored.unit, spatial, stored.valid, mask)
    dtype, offset = pixels.add(array)
    valid = pixels.add(stored.valid.astype(bool))[1] if stored.valid is not None else -1
    mask_dtype, mask_offset = pixels.add(mask) if mask is not None else ("", -1)
    return {
        "scan": scan,
        "fault": "",
        "fault_code": "",
        "mask_fault": mask_fault,
        "kind": "volume" if stored.is_volume else "image",
        "shape": list(array.shape),
        "spacing_mm": list(stored.spacing_mm) if stored.spacing_mm else None,
        "affine": None if stored.affine is None else [float(v) for v in stored.affine.ravel()],
        "unit": stored.unit,
        "modality": stored.modality,
        "flags": join_flags(stored.flags),
        "fingerprint": np.uint64(measures.fingerprint),
        "lo": measures.lo,
        "hi": measures.hi,
        "noise": measures.noise,
        "box": list(measures.box),
        "anchors": list(measures.anchors),
        "marked": list(measures.marked),
        "dtype": dtype,
        "offset": offset,
        "valid_offset": valid,
        "mask_offset": mask_offset,
        "mask_dtype": mask_dtype,
        "mask_from": "boxes" if boxes else "voxels" if mask is not None else "",
        "mask_fingerprint": np.uint64(0 if boxes else measures.mask_fingerprint),
    }


def _mask(catalog: Catalog, scan: str, mask: str | None) -> tuple[np.ndarray | None, str]:
    """Return the mask of a scan, or the code of its fault: a faulty mask is no reason to lose the scan."""
    if mask is None:
        return None, ""
    try:
        return read_mask(catalog, mask, scan), ""
    except ArchiveError as error:
        return None, error.code


def _with_modality(scan: Scan, modality: str | None) -> Scan:
    """Return `scan` with the label table's modality if its file records none."""
    if modality is None or scan.modality != "unknown":
        return scan
    return replace(scan, modality=modality, unit="HU" if modality == "CT" else scan.unit)


def _orthogonal(scan: Scan) -> Scan:
    """Resample a sheared volume: views rotate and crop in millimeters, which needs orthogonal axes."""
    return orthogonal(scan) if set(scan.flags) & {"TILT", "SHEARED"} else scan


def stored_type(array: np.ndarray) -> np.ndarray:
    """Return `array` in the smallest stored type that keeps every value (float64 is rounded to float32)."""
    if array.dtype.name in STORED:
        return array
    if array.dtype.kind in "iub" and array.size:
        low, high = int(array.min()), int(array.max())
        for name in ("uint8", "int16", "uint16"):
            if np.iinfo(name).min <= low and high <= np.iinfo(name).max:
                return array.astype(name)
    return array.astype(np.float32)


def shard_plan(scans: pd.DataFrame, most_scans: int = 1024, most_voxels: int = 2**27) -> list[list[str]]:
    """Return the scans of each shard: the catalog's rows, in order, with bounded count and size."""
    shards: list[list[str]] = []
    voxels = most_voxels
    for scan, shape in zip(scans["scan"], scans["shape"], strict=True):
        size = int(np.prod([int(n) for n in str(shape).split("x")]))
        if not shards or len(shards[-1]) == most_scans or voxels + size > most_voxels:
            shards.append([])
            voxels = 0
        shards[-1].append(scan)
        voxels += size
    return shards
