"""`medcl convert`: every scan as NIfTI with its affine, and its metadata and flags as JSON."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from medcl.archive.catalog import ArchiveError, Catalog
from medcl.archive.flags import explain
from medcl.archive.read import read
from medcl.archive.scan import Scan
from medcl.errors import UsageError
from medcl.files import atomic, new_folder, read_json, remove_unfinished, write_json
from medcl.processes import BrokenProcessPool, in_processes
from medcl.progress import track

NIFTI_TYPES = ("uint8", "int16", "uint16", "int32", "int64", "float32")
MAX_AXIS = 32767
"""Voxels along an axis that NIfTI-1 can state."""

BATCH = 8
"""Scans that a process converts at a time."""

COLOR = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])


@dataclass(frozen=True)
class ConvertTask:
    """All that a worker needs to convert some scans; it reads no private folder.

    Attributes:
        catalog: Catalog of these scans only.
        scans: Scan pseudonyms in order.
        out: Folder to write into.
    """

    catalog: Catalog
    scans: tuple[str, ...]
    out: Path


def convert(catalog: Catalog, out: Path, workers: int = 1) -> dict[str, Any]:
    """Write `<scan>.nii.gz` and `<scan>.json` for every scan of `catalog` into the new folder `out`.

    A radiograph whose window was applied is also written without it, as `<scan>_unwindowed.nii.gz`.
    An interrupted call is resumed by the next; until all is written, `out` holds a file `converting.json`.

    Volumes keep their RAS+ affine and physical units. An image becomes one slice with form code 0,
    "unknown", whose affine holds the pixel spacing where known, so that no reader takes it for a position.

    Args:
        catalog: Catalog of the scans.
        out: New folder, or that of an interrupted call.
        workers: Number of processes; the files are the same for any number.

    Returns:
        The counts `written` and `failed`, and `faults` (scan to reason).

    Raises:
        UsageError: `out` is in use, or no scan can be read.
    """
    begun = out / "converting.json"
    if not (begun.is_file() and read_json(begun)["catalog"] == catalog.identity):
        new_folder(out, "converted scans")
        write_json({"catalog": catalog.identity}, begun)
    missing = [scan for scan in catalog.scans["scan"] if not (out / f"{scan}.json").is_file()]
    codes = _convert_all(catalog, missing, out, workers)
    progress = track(zip(missing, codes, strict=True), "convert", total=len(missing), unit="scan")
    faults = {scan: code for scan, code in progress if code}
    remove_unfinished(out)
    begun.unlink()
    written = len(catalog.scans) - len(faults)
    if not written:
        counts = Counter(faults.values()).most_common()
        text = "; ".join(f"{count} {code} ({explain(code)})" for code, count in counts)
        raise UsageError(f"{catalog.folder}: no scan could be read: {text}")
    return {"written": written, "failed": len(faults), "faults": faults}


def _convert_all(catalog: Catalog, scans: list[str], out: Path, workers: int) -> Iterator[str]:
    """Yield for each scan the reason for which it was not converted, or an empty text."""
    if workers == 1 or len(scans) <= BATCH:
        yield from (convert_scan(catalog, scan, out) for scan in scans)
        return
    batches = (tuple(scans[start : start + BATCH]) for start in range(0, len(scans), BATCH))
    tasks = (ConvertTask(catalog.subset(batch), batch, out.absolute()) for batch in batches)
    for codes in in_processes(_convert_batch, tasks, workers, _after_death):
        yield from codes


def _convert_batch(task: ConvertTask) -> list[str]:
    return [convert_scan(task.catalog, scan, task.out) for scan in task.scans]


def _after_death(task: ConvertTask, submit: Callable[[ConvertTask], list[str]]) -> list[str]:
    """Convert the scans of a batch one by one, except those that end the process."""
    codes = []
    for scan in task.scans:
        try:
            codes += submit(replace(task, scans=(scan,)))
        except BrokenProcessPool:
            task.catalog.record_fault(scan, "CRASHED")
            codes.append("CRASHED")
    return codes


def convert_scan(catalog: Catalog, scan: str, out: Path) -> str:
    """Write one scan, its metadata last, and return the reason for which it was not, or an empty text."""
    try:
        image = read(catalog, scan)
        _write(image, out / f"{scan}.nii.gz")
        if image.unwindowed is not None:
            _write(replace(image, array=image.unwindowed), out / f"{scan}_unwindowed.nii.gz")
    except ArchiveError as error:
        return error.code
    except OSError:  # a full disk ends the work
        raise
    except Exception:  # what NIfTI cannot hold must not end the run, nor be quoted
        return "NOT_CONVERTED"
    write_json(_metadata(catalog.row(scan), image), out / f"{scan}.json")
    return ""


def nifti_image(scan: Scan) -> nibabel.Nifti1Image:
    """Return a scan as a NIfTI-1 image in memory, or as NIfTI-2 where an axis is too long for that."""
    array = scan.array
    if array.dtype.name not in NIFTI_TYPES:
        array = array.astype(np.float32)
    if not scan.is_volume:
        array = _as_slices(array)
    elif array.ndim == 4:
        array = np.ascontiguousarray(array).view(COLOR)[..., 0] if array.dtype == np.uint8 else array
    known = scan.affine is not None
    affine = scan.affine if scan.affine is not None else np.diag([*_image_mm(scan), 1.0, 1.0])
    kind = nibabel.Nifti2Image if max(array.shape) > MAX_AXIS else nibabel.Nifti1Image
    image = kind(array, affine, dtype=array.dtype)
    image.set_sform(affine, code=1 if known else 0)
    image.set_qform(affine, code=1 if known and _is_rigid(affine) else 0)
    image.header.set_xyzt_units("mm" if known or scan.spacing_mm else 0)
    return image


def _as_slices(array: np.ndarray) -> np.ndarray:
    """Transpose (row, column), color or (frame, row, column) to (column, row, frame), the order of NIfTI."""
    color = array.ndim > 2 and array.shape[-1] == 3 and array.dtype == np.uint8
    if color:
        array = np.ascontiguousarray(array).view(COLOR)[..., 0]
    return array.T[..., np.newaxis] if array.ndim == 2 else array.T


def _image_mm(scan: Scan) -> tuple[float, float]:
    if scan.spacing_mm is None:
        return 1.0, 1.0
    return scan.spacing_mm[-1], scan.spacing_mm[-2]


def _is_rigid(affine: np.ndarray) -> bool:
    columns = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    return bool(np.allclose(columns.T @ columns, np.eye(3), atol=1e-4))


def _write(scan: Scan, path: Path) -> None:
    """Write a scan as bytes that depend only on its content, without file name and time."""
    with atomic(path) as temporary:
        temporary.write_bytes(gzip.compress(nifti_image(scan).to_bytes(), compresslevel=6, mtime=0))


def _metadata(row: dict[str, Any], scan: Scan) -> dict[str, Any]:
    copied = (
        "scan",
        "patient",
        "patient_evidence",
        "study",
        "series",
        "site",
        "modality",
        "kind",
        "body_part",
    )
    return {
        **{key: row[key] for key in copied},
        "manufacturer": row["manufacturer"],
        "shape": list(scan.array.shape),
        "spacing_mm": None if scan.spacing_mm is None else [float(mm) for mm in scan.spacing_mm],
        "unit": scan.unit,
        "flags": {flag: explain(flag) for flag in scan.flags},
        "measured_fraction": 1.0 if scan.valid is None else float(scan.valid.mean()),
        "source": row["source"],
    }
