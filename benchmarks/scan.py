"""Scan rate against pydicom, the cost of a rescan, and the memory of a million rows.

    python benchmarks/scan.py --data $MEDCL_DATA --files 20000 --rows 1000000

First, copies of the DICOM files of the development data under new UIDs are read in one process: by medcl's
header stage and by `pydicom.dcmread(stop_before_pixels=True)` with the same fields taken, alternating,
and then scanned twice. Second, `--rows` series of one file go through index, grouping and catalog in another
process. Exit code 1 when a target is missed: 6x pydicom, a rescan under a tenth, 1.5 GiB.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pydicom

from medcl.archive import Catalog, scan_archive
from medcl.archive.ledger.catalog_rows import gather
from medcl.archive.ledger.examine import FileOutcome, examine_all
from medcl.archive.ledger.index import Index
from medcl.archive.storage.listing import Listing
from medcl.archive.storage.walk import Entry, Root, check_roots, walk

FOLDERS = ("dicom_mr_nih", "dicom_ct_philips", "dicom_mr_tcia")
FIELDS = (
    *("SOPClassUID", "SOPInstanceUID", "Modality", "PatientID", "StudyInstanceUID", "SeriesInstanceUID"),
    *("ImageType", "InstanceNumber", "Rows", "Columns", "PixelSpacing", "ImagePositionPatient"),
    *("ImageOrientationPatient", "SliceThickness", "BitsStored", "PixelRepresentation", "RescaleSlope"),
    *("RescaleIntercept", "EchoTime", "AcquisitionNumber", "ConvolutionKernel"),
)
CHUNK = 4096
ROUNDS = 3


def make_archive(data: Path, folder: Path, files: int) -> None:
    """Write copies of real slices, each with SOP and series UIDs of its own copy."""
    paths = [path for name in FOLDERS for path in sorted((data / name).rglob("*")) if path.is_file()]
    sources = [content for path in paths if (content := path.read_bytes())[128:132] == b"DICM"]
    uids = []
    for content in sources:
        header = pydicom.dcmread(pydicom.filebase.DicomBytesIO(content), stop_before_pixels=True)
        uids.append([str(header.get(name, "")).encode() for name in ("SOPInstanceUID", "SeriesInstanceUID")])
    for number in range(files):
        copy, source = divmod(number, len(sources))
        content = sources[source]
        for uid in uids[source]:
            if len(uid) > 12:
                new = zlib.crc32(b"%d" % copy, zlib.crc32(uid)) % 10**9
                content = content.replace(uid, uid[:-9] + b"%09d" % new)
        target = folder / f"{number // 500:04d}"
        target.mkdir(parents=True, exist_ok=True)
        (target / f"{number:06d}").write_bytes(content)


def with_pydicom(entries: list[Entry]) -> int:
    """Read all headers with pydicom and take the same fields."""
    return sum(len(_fields(entry.path)) > 0 for entry in entries)


def _fields(path: str) -> list[Any]:
    try:
        header = pydicom.dcmread(path, stop_before_pixels=True)
    except pydicom.errors.InvalidDicomError:
        return []
    return [header.get(name) for name in FIELDS]


def rates(archive: Path) -> dict[str, float]:
    """Return files per second of both readers, best of three alternating rounds, and their ratio."""
    entries = list(walk(check_roots([archive])))
    best = {"medcl": float("inf"), "pydicom": float("inf")}
    for _ in range(ROUNDS):
        for name, reader in (("medcl", examine_all), ("pydicom", with_pydicom)):
            start = time.process_time()
            reader(entries)
            best[name] = min(best[name], time.process_time() - start)
    return {
        "files": len(entries),
        "medcl_files_per_second": round(len(entries) / best["medcl"]),
        "pydicom_files_per_second": round(len(entries) / best["pydicom"]),
        "ratio": round(best["pydicom"] / best["medcl"], 2),
    }


def rescan(archive: Path, folder: Path) -> dict[str, float]:
    """Return processor seconds of a first scan and of a second one with nothing changed."""
    seconds = []
    for name in ("first", "second"):
        start = time.process_time()
        catalog = scan_archive([archive], folder / name)
        seconds.append(time.process_time() - start)
    return {
        "scans": len(catalog.scans),
        "first_s": round(seconds[0], 2),
        "second_s": round(seconds[1], 3),
        "share": round(seconds[1] / seconds[0], 4),
    }


def simulate(data: Path, rows: int) -> dict[str, float]:
    """Take `rows` series of one file each through index, grouping and catalog; return time and memory."""
    real = next(iter(sorted((data / FOLDERS[2]).rglob("*.dcm"))))
    root = Root("/simulated", "simulated")
    (example,) = examine_all([Entry(root, str(real), real.stat().st_size, 0)])[0]
    start = time.process_time()
    index = Index([root])
    listing = Listing(outcome.entry for outcome in _simulated(example, root, rows))
    outcomes = enumerate(_simulated(example, root, rows))
    while chunk := list(islice(outcomes, CHUNK)):
        index.add({listing.stamp(number): [outcome] for number, outcome in chunk})
    with tempfile.TemporaryDirectory() as folder:
        tables = gather(index.groups(listing), partial(index.metadata_files, listing), "default")
        catalog = Catalog.write(Path(folder) / "catalog", tables, "default")
        written = len(catalog.scans)
    return {
        "rows": written,
        "seconds": round(time.process_time() - start, 1),
        "memory_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def _simulated(example: FileOutcome, root: Root, rows: int) -> Iterator[FileOutcome]:
    assert example.header is not None
    for number in range(rows):
        shared = replace(
            example.header.shared,
            series_uid=f"series-{number:016x}",
            study_uid=f"study-{number // 4:016x}",
            patient_id=f"p-{number // 8:016x}",
        )
        header = replace(example.header, shared=shared, sop_uid=f"1.2.840.99.{number}")
        entry = Entry(root, f"/simulated/{number // 1000:06d}/{number:09d}.dcm", example.size, number)
        yield replace(example, entry=entry, header=header)


def _in_child(sender: Any, data: Path, rows: int) -> None:
    sender.send(simulate(data, rows))


def main() -> int:
    parser = argparse.ArgumentParser(description="Scan rate, rescan and memory of the archive.")
    parser.add_argument(
        "--data", type=Path, default=os.environ.get("MEDCL_DATA"), help="default: $MEDCL_DATA"
    )
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    options = parser.parse_args()
    if options.data is None or not any((options.data / name).is_dir() for name in FOLDERS):
        parser.error(f"--data (or $MEDCL_DATA) must name a folder that holds {', '.join(FOLDERS)}")
    report: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MEDCL_HOME"] = f"{folder}/private"
        if options.files:
            make_archive(options.data, Path(folder) / "archive", options.files)
            report["rate"] = rates(Path(folder) / "archive")
            report["rescan"] = rescan(Path(folder) / "archive", Path(folder))
        if options.rows:
            receiver, sender = multiprocessing.get_context("spawn").Pipe(duplex=False)
            arguments = (sender, options.data, options.rows)
            child = multiprocessing.get_context("spawn").Process(target=_in_child, args=arguments)
            child.start()
            report["memory"] = receiver.recv()
            child.join()
    missed = [
        name
        for name, failed in (
            ("rate", report.get("rate", {}).get("ratio", 6) < 6),
            ("rescan", report.get("rescan", {}).get("share", 0) > 0.1),
            ("memory", report.get("memory", {}).get("memory_mib", 0) > 1536),
        )
        if failed
    ]
    print(json.dumps({**report, "missed": missed}, indent=2))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
