"""A catalog on disk: what opens, what is counted, and faults that are found late."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest

from medcl.archive import ArchiveError, Catalog, read, scan_archive
from medcl.archive.flags import explain
from medcl.errors import UsageError
from tests.archive.samples import mixed_archive


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    mixed_archive(tmp_path / "archive")
    return scan_archive([tmp_path / "archive"], tmp_path / "catalog")


def scan_of(catalog: Catalog, source: str) -> str:
    return str(catalog.scans.loc[catalog.scans["source"] == source, "scan"].iloc[0])


def test_the_summary_counts_files_and_scans(catalog: Catalog) -> None:
    summary = catalog.summary()
    ledger = catalog.ledger
    assert summary["files"] == len(ledger) == sum(summary[s] for s in ("used", "dropped", "quarantined"))
    assert summary["scans"] == len(catalog.scans) == sum(summary["kinds"].values())
    assert sum(summary["reasons"].values()) == (ledger["state"] != "used").sum()
    assert summary["missing_decoders"] == {}
    assert list(catalog.scans["scan"]) == sorted(catalog.scans["scan"])


def test_a_row_has_none_for_what_is_unknown(catalog: Catalog) -> None:
    row = catalog.row(scan_of(catalog, "image"))
    assert row["source_split"] is None
    assert row["spacing_mm"] is None
    with pytest.raises(UsageError, match=r"no scan 'x{40}'; catalog\.parquet lists the scans"):
        catalog.row("x" * 50)


def test_files_of_a_scan_are_found_where_they_are(catalog: Catalog) -> None:
    scan = scan_of(catalog, "image")
    (row,) = catalog.files_by_scan[scan]
    assert Path(row["path"]).is_file()
    assert row["parent"] == "images"
    assert row["member"] == ""
    table = catalog.locations()
    table["path"] = ""
    assert catalog.locations()["path"].all(), "what is given away is a copy"


def test_without_its_locator_a_catalog_says_what_to_do(catalog: Catalog) -> None:
    assert catalog.is_located()
    assert catalog.identity in Catalog.located()
    catalog.forget()
    assert not catalog.is_located()
    again = Catalog.open(catalog.folder)
    with pytest.raises(UsageError, match="its private locator is not on this machine"):
        again.locations()


def test_a_subset_carries_its_own_places(catalog: Catalog) -> None:
    scan = scan_of(catalog, "nifti")
    part = catalog.subset([scan])
    catalog.forget()
    carried = pickle.loads(pickle.dumps(part))  # noqa: S301
    assert list(carried.scans["scan"]) == [scan]
    assert read(carried, scan).array.size > 0
    assert scan_of(catalog, "image") not in carried.files_by_scan


def test_a_late_fault_moves_a_file_of_one_scan_and_flags_a_file_of_many(catalog: Catalog) -> None:
    image, one_of_many = scan_of(catalog, "image"), scan_of(catalog, "npz")
    for scan in (image, one_of_many):
        catalog.record_fault(scan, "DAMAGED")
    ledger = catalog.ledger.set_index("file")
    files = {scan: catalog.files_by_scan[scan][0]["file"] for scan in (image, one_of_many)}
    moved, shared = ledger.loc[files[image]], ledger.loc[files[one_of_many]]
    assert (moved["state"], moved["reason"]) == ("quarantined", "DAMAGED")
    assert (shared["state"], shared["reason"]) == ("used", "")
    assert "DAMAGED" in shared["flags"].split(";")
    assert catalog.summary()["reasons"]["DAMAGED"] >= 1


def test_a_late_flag_is_recorded_once(catalog: Catalog) -> None:
    scan = scan_of(catalog, "image")
    catalog.record_flag(scan, "LOSSY")
    before = (catalog.folder / "ledger.parquet").stat().st_mtime_ns
    catalog.record_flag(scan, "LOSSY")
    assert (catalog.folder / "ledger.parquet").stat().st_mtime_ns == before
    ledger = catalog.ledger.set_index("file")
    assert "LOSSY" in ledger.loc[catalog.files_by_scan[scan][0]["file"], "flags"].split(";")


def test_what_cannot_be_opened_says_why(catalog: Catalog, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no catalog; make one with medcl scan ARCHIVE -o"):
        Catalog.open(tmp_path)
    path = catalog.folder / "summary.json"
    summary = json.loads(path.read_text())
    path.write_text(json.dumps(summary | {"version": 99}))
    with pytest.raises(UsageError, match="written by a later version of medcl"):
        Catalog.open(catalog.folder)
    path.write_text(json.dumps(summary))
    (catalog.folder / "masks.parquet").write_bytes(b"")
    with pytest.raises(UsageError, match="damaged catalog; scan the archive again"):
        Catalog.open(catalog.folder)


def test_an_error_names_the_scan_the_code_and_its_meaning() -> None:
    error = ArchiveError("s-1", "DAMAGED")
    assert str(error) == f"s-1: {explain('DAMAGED')} (DAMAGED)"
    assert (error.scan, error.code) == ("s-1", "DAMAGED")
