"""Reading scans and masks of a catalog: opens files, checks that they are unchanged, builds arrays."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from medcl.archive import dicom
from medcl.archive.catalog import ArchiveError, Catalog
from medcl.archive.dicom import segments, structures
from medcl.archive.flags import Rejected, held_back, quarantined, split_flags
from medcl.archive.formats import FORMATS_BY_NAME
from medcl.archive.hounsfield import as_modality
from medcl.archive.label_evidence import labels_of_image, labels_of_volume
from medcl.archive.mask_grid import onto_grid
from medcl.archive.privacy import silenced_loggers
from medcl.archive.scan import Scan
from medcl.archive.storage import (
    HEAD_BYTES,
    SourceFile,
    head_hash,
    member_bytes,
    open_dicom,
    open_part,
    without_gzip,
)
from medcl.archive.storage.remote import open_file, status
from medcl.errors import UsageError

Place = dict[str, Any]


def read(catalog: Catalog, scan: str) -> Scan:
    """Read one scan; a fault that is detected only now is also written into the ledger.

    Raises:
        ArchiveError: The scan's files are missing, changed, truncated or damaged.
        UsageError: There is no such scan, or the locator of its files is not on this machine.
    """
    row = catalog.row(scan)
    try:
        with silenced_loggers():
            loaded = _load(row, catalog.files_by_scan[scan])
        code = held_back(loaded.flags, catalog.accept)
        if code is not None:
            raise quarantined(code)
    except Rejected as verdict:
        catalog.record_fault(scan, verdict.code)
        raise ArchiveError(scan, verdict.code) from None
    flags = {*loaded.flags, *split_flags(row["flags"])}
    loaded = replace(loaded, flags=tuple(sorted(flags)))
    if row["source"] == "dicom":
        return replace(loaded, modality=row["modality"])
    return as_modality(loaded, row["modality"])


def read_all(catalog: Catalog) -> Iterator[tuple[str, Scan | ArchiveError]]:
    """Yield every scan of a catalog in its order, or the error that reading it gave."""
    for scan in catalog.scans["scan"]:
        try:
            yield scan, read(catalog, scan)
        except ArchiveError as error:
            yield scan, error


def read_mask(catalog: Catalog, mask: str, scan: str) -> np.ndarray:
    """Return the labels of a mask on the grid of a scan, shaped like the scan's spatial axes.

    Labels are uint8, or uint16 where a number is over 255 (FreeSurfer). Several masks of one image are
    united: each is drawn over the earlier ones. Labels, segments and structures that do not fit the scan are
    left out, which the ledger says with the flag STRUCTURE_LEFT_OUT.

    Raises:
        ArchiveError: The mask is missing or damaged, its geometry is not the scan's (MASK_MISMATCH), or a
            label is over 65,535 (LABEL_NUMBERS).
        UsageError: There is no such mask or scan.
    """
    if mask not in catalog.files_by_scan:
        raise UsageError(f"{catalog.folder}: no mask {mask[:40]!r}; the ids of masks are in masks.parquet")
    target = read(catalog, scan)
    places = catalog.files_by_scan[mask]
    try:
        with silenced_loggers():
            if target.affine is None:
                return _image_labels(places, target.array.shape[:2])
            return _labels_on_grid(catalog, mask, places[0], target)
    except Rejected as verdict:
        has_several_scans = (catalog.masks["mask"] == mask).sum() > 1
        if verdict.code != "MASK_MISMATCH" or not has_several_scans:
            catalog.record_fault(mask, verdict.code)
        raise ArchiveError(mask, verdict.code) from None


def _labels_on_grid(catalog: Catalog, mask: str, place: Place, target: Scan) -> np.ndarray:
    if target.affine is None:
        raise quarantined("MASK_MISMATCH")
    _check_unchanged(place)
    shape = target.array.shape[:3]
    try:
        if place["part"] not in ("seg", "rtstruct"):
            labels, left_out = _label_map(catalog.row(mask)["source"], place, target.affine, shape)
        else:
            draw = segments if place["part"] == "seg" else structures
            with open_dicom(place["container"], place["member"]) as stream:
                labels, left_out = draw(stream, target.affine, shape)
    except Rejected:
        raise
    except Exception:  # pydicom raises many kinds, whose texts quote the file
        raise quarantined("SEG") from None
    if left_out:
        catalog.record_flag(mask, "STRUCTURE_LEFT_OUT")
    return labels


def _label_map(
    source: str, place: Place, affine: np.ndarray, shape: tuple[int, ...]
) -> tuple[np.ndarray, tuple[int, ...]]:
    """Return a volume of labels in a file of its own on the grid of a scan, and the labels left out."""
    if source not in FORMATS_BY_NAME:
        raise quarantined("MASK_MISMATCH")
    labels = _load_file(source, place)
    if labels.affine is None:
        raise quarantined("MASK_MISMATCH")
    return onto_grid(labels_of_volume(labels.array), labels.affine, shape, affine)


def _image_labels(places: list[Place], shape: tuple[int, ...]) -> np.ndarray:
    """Return the labels of the masks of one image, united."""
    united = np.zeros(shape, np.uint8)
    for place in places:
        _check_unchanged(place)
        labels = _labels_of_file(place)
        if labels.shape != shape:
            raise quarantined("MASK_MISMATCH")
        united = np.where(labels > 0, labels, united)
    return united


def _labels_of_file(place: Place) -> np.ndarray:
    """Return the labels of an image, which are the indices of its palette if that begins with black."""
    scan = _load_file("image", {**place, "part": ""})
    if "PALETTE" in scan.flags:
        with open_part(place["container"], place["member"]) as stream, Image.open(stream) as image:
            palette = image.getpalette() or []
            if image.mode == "P" and palette[:3] == [0, 0, 0]:
                return np.asarray(image)
    return labels_of_image(scan.array)


def _load(row: dict[str, Any], places: list[Place]) -> Scan:
    for place in places:
        _check_unchanged(place)
    try:
        if row["source"] == "dicom":
            return _load_dicom(row, places)
        return _load_file(row["source"], places[0])
    except Rejected:
        raise
    except MemoryError:
        raise quarantined("TOO_LARGE") from None
    except OSError:
        raise quarantined("UNREADABLE") from None
    except Exception:  # a decoder's own fault on one scan must never end a run, nor quote the file
        raise quarantined("UNDECODABLE") from None


def _check_unchanged(place: Place) -> None:
    """Refuse a file whose first block has changed since the scan; size and time are compared first."""
    try:
        size, changed = status(place["container"])
        if changed == place["mtime_ns"] and (place["member"] or size == place["size"]):
            return
        with open_file(place["container"]) as stream:
            is_same = head_hash(stream.read(HEAD_BYTES)) == place["head"]
    except FileNotFoundError:
        raise quarantined("MISSING") from None
    except OSError:
        raise quarantined("UNREADABLE") from None
    if place["member"] or not is_same or size != place["size"]:
        raise quarantined("CHANGED")


def _load_file(source: str, place: Place) -> Scan:
    file = SourceFile(place["container"], place["member"], place["size"], place["mtime_ns"])
    return FORMATS_BY_NAME[source].load(file, place["part"])


def _load_dicom(row: dict[str, Any], places: list[Place]) -> Scan:
    keys_by_container: dict[str, list[str]] = {}
    for place in places:
        if place["member"]:
            keys_by_container.setdefault(place["container"], []).append(place["member"])
    # All slices of a scan are read from a container in one pass, as a tar.gz allows no other way.
    content = {container: member_bytes(container, keys) for container, keys in keys_by_container.items()}

    def opener(place: Place) -> Callable[[], BinaryIO]:
        if place["member"]:
            return lambda: without_gzip(io.BytesIO(content[place["container"]][place["member"]]))
        return lambda: without_gzip(open_file(place["container"]))

    shape = tuple(int(size) for size in row["shape"].split("x"))
    return dicom.assemble(
        [opener(place) for place in places], {**row, "shape": shape, "part": places[0]["part"]}
    )
