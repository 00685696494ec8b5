"""Rows of catalog, ledger, masks and locator."""

from __future__ import annotations

from dataclasses import replace

import pytest

from medcl.archive.ledger import tables as module
from medcl.archive.ledger.examine import FileOutcome
from medcl.archive.ledger.tables import CATALOG, LEDGER, Columns, ScanRow, Tables
from medcl.archive.privacy import pseudonym
from medcl.archive.storage.walk import Entry, Root

ROW = ScanRow("s-1", "p-1", "header", "volume", (4, 5, 6), (1.0, 1.0, 2.0), "HU", "dicom", ("A", "B"))  # type: ignore[arg-type]


def outcome(name: str, **changes: object) -> FileOutcome:
    entry = Entry(Root("/data", "data"), f"/data/{name}", 10, 5)
    return replace(FileOutcome(entry, "", 10, "used"), **changes)  # type: ignore[arg-type]


def test_rows_are_sorted_whatever_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK_ROWS", 2)
    columns = Columns(LEDGER)
    for file in "bdace":
        columns.add([file, "used", "", "", None, 1])
    assert len(columns) == 5
    assert columns.table("file")["file"].to_pylist() == list("abcde")
    columns.clear()
    assert len(columns) == 0
    assert columns.table("file").num_rows == 0


def test_a_scan_is_a_row_of_the_catalog_and_its_files_of_the_locator() -> None:
    tables = Tables()
    tables.add_scan(ROW, [(outcome("b"), "", 1), (outcome("a", member="3:x"), "frame:2", 0)])
    (row,) = tables.catalog().to_pylist()
    assert list(row) == CATALOG.names
    assert (row["shape"], row["spacing_mm"], row["flags"], row["n_files"]) == ("4x5x6", [1, 1, 2], "A;B", 1)
    places = tables.locator().to_pylist()
    assert [place["order"] for place in places] == [0, 1]
    assert (places[0]["path"], places[0]["member"], places[0]["part"]) == (b"/data/a", b"3:x", "frame:2")
    assert places[1]["file"] == pseudonym("file", "data/b")
    assert tables.scan_count == 1


def test_a_file_is_one_row_and_a_data_file_says_so() -> None:
    tables = Tables()
    tables.add_file(outcome("image", flags=("B", "A")), "s-1")
    tables.add_file(outcome("raw", state="dropped", code="DATA_WITHOUT_HEADER"), None)
    tables.add_data_file(outcome("raw"), "s-1")
    rows = {row["file"]: row for row in tables.ledger().to_pylist()}
    assert rows[pseudonym("file", "data/image")]["flags"] == "A;B"
    data = rows[pseudonym("file", "data/raw")]
    assert (data["state"], data["reason"], data["flags"], data["scan"]) == ("dropped", "DATA_FILE", "", "s-1")


def test_a_data_file_that_is_an_image_itself_stays_in_use() -> None:
    tables = Tables()
    tables.add_file(outcome("image"), "s-2")
    tables.add_data_file(outcome("image"), "s-1")
    (row,) = tables.ledger().to_pylist()
    assert (row["state"], row["scan"]) == ("used", "s-2")


def test_masks_name_every_scan_that_they_may_belong_to() -> None:
    tables = Tables()
    tables.add_mask("m-1", ["s-2", "s-1"], "seg", [outcome("seg")])
    assert [(row["mask"], row["scan"], row["kind"]) for row in tables.masks().to_pylist()] == [
        ("m-1", "s-1", "seg"), ("m-1", "s-2", "seg"),
    ]  # fmt: skip
    assert tables.locator()["part"].to_pylist() == ["seg"]


def test_volumes_of_a_series_are_those_of_dicom() -> None:
    tables = Tables()
    for number, changes in enumerate(
        [
            {"series": "x"},
            {"series": "x"},
            {"series": "x", "kind": "image"},
            {"series": "y", "source": "nifti"},
            {},
        ]
    ):
        tables.add_scan(replace(ROW, scan=f"s-{number}", **changes), [])  # type: ignore[arg-type]
    assert tables.volumes_by_series() == {"x": ["s-0", "s-1"]}


def test_missing_decoders_add_up() -> None:
    tables = Tables()
    tables.missing_decoders({"JPEG": (2, "pip install a")})
    tables.missing_decoders({"JPEG": (3, "pip install a"), "RLE": (1, "pip install b")})
    assert tables.decoders == {
        "JPEG": {"files": 5, "install": "pip install a"},
        "RLE": {"files": 1, "install": "pip install b"},
    }
