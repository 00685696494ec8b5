"""Arrays on disk: flat memory-mapped files, one a shard and dtype, with a table of what lies where.

A shard is `arrays/00012.parquet` (a row a scan) beside `arrays/00012-<dtype>.npy` (its pixels end to end).
It is written whole or not at all, so an interrupted `prepare` goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from medcl.archive import ArchiveError, Catalog, Scan, read, read_mask
from medcl.archive.resample import orthogonal, orthogonal_labels
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
        catalog: where the scans are read from.
        scans: scan pseudonyms.
        labels: whose masks are stored beside their scans, and whose stated modalities are believed.
        folder: for example `STORE/arrays/00012`.
        crashed: scans that are not to be read, as doing so ends the process.

    A scan that cannot be read becomes a row with a `fault` and no pixels: it never ends the run.
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
    return {"scan": scan, "fault": str(ArchiveError(scan, "CRASHED"))}


class _Pixels:
    """Arrays collected by dtype, each remembered as (kind of file, offset)."""

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
        own = _stated(read(catalog, scan), labels.modality.get(scan))
        found = _upright(own)
        mask = labels.mask.get(scan)
        drawn = read_mask(catalog, mask, scan) if mask else None
        if drawn is not None and found is not own and own.affine is not None:
            drawn = orthogonal_labels(drawn, own.affine)
    except UsageError as error:
        return {"scan": scan, "fault": str(error)}
    array = stored_type(found.array)
    spatial = 3 if found.is_volume else 2
    boxes = labels.box.get(scan)
    if boxes:
        drawn = draw_boxes(boxes, found.affine, array.shape[:spatial])
    measures = measure(array, found.unit, spatial, found.valid, drawn)
    dtype, offset = pixels.add(array)
    valid = pixels.add(found.valid.astype(bool))[1] if found.valid is not None else -1
    marked = pixels.add(drawn)[1] if drawn is not None else -1
    return {
        "scan": scan,
        "fault": "",
        "kind": "volume" if found.is_volume else "picture",
        "shape": list(array.shape),
        "spacing_mm": list(found.spacing_mm) if found.spacing_mm else None,
        "affine": None if found.affine is None else [float(v) for v in found.affine.ravel()],
        "unit": found.unit,
        "modality": found.modality,
        "flags": ";".join(found.flags),
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
        "mask_offset": marked,
        "mask_from": "boxes" if boxes else "voxels" if mask else "",
    }


def _stated(scan: Scan, modality: str | None) -> Scan:
    """Believe the label table where the file itself does not say what it is."""
    if modality is None or scan.modality != "unknown":
        return scan
    return replace(scan, modality=modality, unit="HU" if modality == "CT" else scan.unit)


def _upright(scan: Scan) -> Scan:
    """Resample a sheared volume: views turn and cut in millimeters, which needs axes at right angles."""
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
    """Cut the catalog's rows, in order, into shards of bounded count and size."""
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
