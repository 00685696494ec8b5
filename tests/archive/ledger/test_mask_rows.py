"""Rows of masks: label maps with their scans, those without, and objects that reference a series."""

from __future__ import annotations

from dataclasses import replace

import pytest

from medcl.archive.dicom import LabelHeader
from medcl.archive.formats.scan_info import ScanInfo
from medcl.archive.ledger.examine import FileOutcome
from medcl.archive.ledger.mask_rows import add_masks, flagged, grids, is_mask
from medcl.archive.ledger.tables import ScanRow, Tables
from medcl.archive.privacy import pseudonym
from medcl.archive.storage.walk import Entry, Root

AFFINE = (1.0, 0, 0, 0, 0, 1.0, 0, 0, 0, 0, 2.0, 0)
INFO = ScanInfo("", "nifti", "volume", (4, 5, 6), (1.0, 1.0, 2.0), "a.u.", (), affine=AFFINE)


def outcome(name: str, *infos: ScanInfo, flags: tuple[str, ...] = (), **changes: object) -> FileOutcome:
    entry = Entry(Root("/data", "data"), f"/data/{name}", 10, 5)
    made = FileOutcome(entry, "", 10, "used", flags=flags, scans=infos)
    return replace(made, **changes)  # type: ignore[arg-type]


def scan_of(one: FileOutcome, part: str = "") -> str:
    return pseudonym("scan", f"{one.key}|{part}")


class Added:
    """The files that were added beside masks."""

    def __init__(self) -> None:
        self.outcomes: list[FileOutcome] = []

    def __call__(self, outcome: FileOutcome) -> None:
        self.outcomes.append(outcome)


def test_masks_are_label_maps_and_objects() -> None:
    assert is_mask(outcome("a_seg.nii", INFO, flags=("LABEL_MAP",)))
    assert not is_mask(outcome("a.nii", INFO))


def test_grids_are_of_files_with_names() -> None:
    frames = [replace(INFO, part=f"frame:{n}") for n in range(2)]
    images = [replace(INFO, kind="image", part=f"train:{n}") for n in range(2)]
    file = outcome("a")
    assert [grid.scan for grid in grids(file, frames)] == [scan_of(file, "frame:0"), scan_of(file, "frame:1")]
    assert grids(file, images) == [], "images of an npz have no names"
    (grid,) = grids(file, [replace(INFO, kind="image", affine=None)])
    assert (grid.shape, tuple(grid.affine)) == ((4, 5, 6), ())


def test_a_flag_is_on_the_file_and_all_of_its_scans() -> None:
    result = flagged(outcome("a", replace(INFO, flags=("B",)), INFO, flags=("B",)), "A")
    assert result.flags == ("A", "B")
    assert [info.flags for info in result.scans] == [("A", "B"), ("A",)]


def test_a_label_map_is_joined_with_its_scan() -> None:
    image, mask = outcome("case_flair.nii", INFO), outcome("case_seg.nii", INFO, flags=("LABEL_MAP",))
    tables, added = Tables(), Added()
    add_masks([mask], grids(image, image.scans), {}, tables, added)
    (row,) = tables.masks().to_pylist()
    assert (row["mask"], row["scan"]) == (scan_of(mask), scan_of(image))
    assert [one.key for one in added.outcomes] == [mask.key]


def test_a_label_map_without_a_scan_is_flagged() -> None:
    mask = outcome("case_seg.nii", INFO, flags=("LABEL_MAP",))
    tables, added = Tables(), Added()
    add_masks([mask], [], {}, tables, added)
    assert tables.masks().num_rows == 0
    (kept,) = added.outcomes
    assert any(flag.startswith("MASK_") for flag in kept.flags)


@pytest.mark.parametrize(("series", "count"), [(("x",), 2), (("x", "y"), 3), (("z",), 0)])
def test_an_object_belongs_to_the_volumes_of_its_series(series: tuple[str, ...], count: int) -> None:
    tables, added = Tables(), Added()
    row = ScanRow("s", "p", "header", "volume", (4, 5, 6), None, "HU", "dicom", ())  # type: ignore[arg-type]
    for scan, uid in (("s-1", "x"), ("s-2", "x"), ("s-3", "y")):
        tables.add_scan(replace(row, scan=scan, series=uid), [])
    labels = LabelHeader(kind="seg", series=series)
    add_masks([outcome("seg.dcm", labels=labels)], [], {}, tables, added)
    assert tables.masks().num_rows == count
    (file,) = tables.ledger().to_pylist()
    assert (file["state"], file["reason"]) == (("used", "") if count else ("quarantined", "MASK_ORPHAN"))
