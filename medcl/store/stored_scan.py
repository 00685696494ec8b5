"""What a store holds of one scan: from a row of the catalog to pixels, geometry and measurements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from medcl.archive import (
    ArchiveError,
    Catalog,
    Scan,
    as_modality,
    orthogonal,
    orthogonal_labels,
    read,
    read_mask,
)
from medcl.archive.flags import join_flags
from medcl.store.boxes import draw_boxes
from medcl.store.columns import measured_row
from medcl.store.form import StoreForm
from medcl.store.labels import Labels
from medcl.store.measure import measure

STORED = ("uint8", "int16", "uint16", "float32")
"""Pixel types of a store."""


@dataclass(frozen=True)
class StoredScan:
    """One scan as a store holds it.

    Attributes:
        row: Its columns in the table of scans, without the places of its arrays.
        array: Pixels, of a type in `STORED`; axes as in `medcl.archive.Scan`.
        affine: (4, 4) from voxel index to RAS+ millimeters; None for an image.
        valid: Boolean mask of measured voxels; None when all were measured.
        mask: Label mask, 0 is background; None without one.
    """

    row: dict[str, Any]
    array: np.ndarray
    affine: np.ndarray | None
    valid: np.ndarray | None
    mask: np.ndarray | None


def stored_scan(catalog: Catalog, scan: str, labels: Labels, form: StoreForm) -> StoredScan:
    """Read a scan and its mask, bring them into the form of a store, and measure them.

    Args:
        catalog: Catalog that the scan is read from.
        scan: Pseudonym of the scan.
        labels: Masks, boxes and modalities of scans.
        form: Form of the store.

    Raises:
        ArchiveError: The scan cannot be read.
        UsageError: The locator of its files is not on this machine.
    """
    original = _with_modality(read(catalog, scan), labels.modality.get(scan))
    stored = _orthogonal(original)
    mask, mask_fault = _mask(catalog, scan, labels.mask.get(scan))
    if mask is not None and stored is not original and original.affine is not None:
        mask = orthogonal_labels(mask, original.affine)
    stored, mask = form.apply(stored, mask)
    array = stored_type(stored.array)
    spatial = 3 if stored.is_volume else 2
    boxes = labels.box.get(scan)
    if boxes:
        mask = draw_boxes(boxes, stored.affine, array.shape[:spatial])
    measures = measure(array, stored.unit, spatial, stored.valid, mask)
    affine = stored.affine if stored.is_volume else None
    row = {
        "scan": scan,
        "fault": "",
        "fault_code": "",
        "mask_fault": mask_fault,
        "kind": "volume" if stored.is_volume else "image",
        "unit": stored.unit,
        "modality": stored.modality,
        "flags": join_flags(stored.flags),
        "fingerprint": measures.fingerprint,
        "lo": measures.lo,
        "hi": measures.hi,
        "noise": measures.noise,
        "mask_from": "boxes" if boxes else "voxels" if mask is not None else "",
        "mask_fingerprint": 0 if boxes else measures.mask_fingerprint,
        **measured_row(array.shape, stored.spacing_mm, affine, measures, stored.valid),
    }
    return StoredScan(row, array, affine, stored.valid, mask)


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
    return as_modality(scan, modality)


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
