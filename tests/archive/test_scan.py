"""A scan accounts for every file, whatever lies in the folder and in whatever order."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from medcl.archive import ArchiveError, Catalog, convert, explain_scan, read, read_all, scan_archive
from medcl.archive.flags import REASONS
from medcl.errors import UsageError
from medcl.testing import phantom
from tests.archive.samples import mixed_archive, nifti_bytes, npz_bytes, picture_bytes


def test_every_file_ends_in_one_state(tmp_path: Path) -> None:
    expected = mixed_archive(tmp_path / "archive")
    catalog = scan_archive([tmp_path / "archive"], tmp_path / "catalog")
    summary = catalog.summary()
    assert {state: summary[state] for state in expected} == expected
    assert summary["files"] == sum(expected.values()) == len(catalog.ledger)
    assert catalog.ledger["file"].is_unique
    assert catalog.scans["scan"].is_unique
    assert summary["scans"] == 4 + 5 + 15
    assert set(summary["reasons"]) <= set(REASONS)
    assert json.loads((catalog.folder / "summary.json").read_text())["files"] == summary["files"]


def test_catalog_says_what_reading_gives(tmp_path: Path) -> None:
    mixed_archive(tmp_path / "archive")
    catalog = scan_archive([tmp_path / "archive"], tmp_path / "catalog")
    for scan, found in read_all(Catalog.open(catalog.folder)):
        assert not isinstance(found, ArchiveError)
        row = catalog.row(scan)
        assert row["shape"] == "x".join(map(str, found.array.shape))
        assert row["unit"] == found.unit
        assert (row["spacing_mm"] is None) == (found.spacing_mm is None)
        assert set(filter(None, row["flags"].split(";"))) <= set(found.flags)


def test_patients_come_from_bids_names_only(tmp_path: Path) -> None:
    mixed_archive(tmp_path / "archive")
    scans = scan_archive([tmp_path / "archive"], tmp_path / "catalog").scans
    named = scans["patient_evidence"].isin(["PatientID", "BIDS"])
    known = scans[named]
    assert len(known) == 7
    assert known["patient"].nunique() == 2
    unknown = scans[scans["patient_evidence"] == "unknown"]
    assert unknown["patient"].is_unique
    assert unknown["flags"].str.contains("PATIENT_UNKNOWN").all()


def test_npz_keeps_its_splits_and_labels(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(npz_bytes())
    scans = scan_archive([tmp_path / "a.npz"], tmp_path / "catalog").scans
    assert scans["source_split"].value_counts().to_dict() == {"train": 5, "val": 5, "test": 5}
    assert set(scans["source_label"]) <= {"0", "1"}


def _outputs(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.suffix in (".parquet", ".json")}


def test_order_of_listing_archives_and_workers_changes_no_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mixed_archive(tmp_path / "one")
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "p.png").write_bytes(picture_bytes(9))
    archives = [tmp_path / "one", tmp_path / "two"]
    scan_archive(archives, tmp_path / "first")

    plain = os.scandir

    class Shuffled:
        def __init__(self, path: str) -> None:
            self.children = list(plain(path))
            random.Random(5).shuffle(self.children)

        def __enter__(self) -> object:
            return iter(self.children)

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(os, "scandir", Shuffled)
    scan_archive([*archives[::-1], tmp_path / "one" / "sub-01"], tmp_path / "second", workers=2)
    assert _outputs(tmp_path / "first") == _outputs(tmp_path / "second")


def test_the_same_or_overlapping_archives_give_each_file_once(tmp_path: Path) -> None:
    expected = mixed_archive(tmp_path / "archive")
    (tmp_path / "link").symlink_to(tmp_path / "archive")
    archives = [tmp_path / name for name in ("archive", "archive/sub-01", "link", "archive/../archive")]
    assert scan_archive(archives, tmp_path / "catalog").summary()["files"] == sum(expected.values())


def test_two_archives_of_one_name_stay_apart(tmp_path: Path) -> None:
    for parent in ("a", "b"):
        (tmp_path / parent / "data" / "sub-01").mkdir(parents=True)
        (tmp_path / parent / "data" / "sub-01" / "x.nii").write_bytes(nifti_bytes(1))
    catalog = scan_archive([tmp_path / "a/data", tmp_path / "b/data"], tmp_path / "catalog")
    assert catalog.scans["scan"].nunique() == 2
    assert catalog.scans["patient"].nunique() == 2


def test_links_loops_locked_folders_and_pipes_are_survived(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    expected = mixed_archive(archive)
    secret = tmp_path / "outside.nii"
    secret.write_bytes(nifti_bytes(11))
    (archive / "loop").symlink_to(archive)
    (archive / "leak.nii").symlink_to(secret)
    os.mkfifo(archive / "pipe")
    (archive / "locked").mkdir()
    (archive / "locked" / "x.png").write_bytes(picture_bytes())
    (archive / "locked").chmod(0)
    try:
        summary = scan_archive([archive], tmp_path / "catalog").summary()
    finally:
        (archive / "locked").chmod(0o700)
    assert summary["reasons"]["SYMLINK"] == 2
    assert summary["reasons"]["SPECIAL_FILE"] == 1
    if os.geteuid():
        assert summary["reasons"]["UNREADABLE_FOLDER"] == 1
        assert summary["used"] == expected["used"]


def test_a_folder_that_may_not_be_read_is_accounted_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = mixed_archive(tmp_path / "archive")
    plain = os.scandir

    def guarded(path: str) -> object:
        if Path(path).name == "pictures":
            raise PermissionError(13, "Permission denied", path)
        return plain(path)

    monkeypatch.setattr(os, "scandir", guarded)
    summary = scan_archive([tmp_path / "archive"], tmp_path / "catalog").summary()
    assert summary["reasons"]["UNREADABLE_FOLDER"] == 1
    assert summary["used"] == expected["used"] - 2
    assert summary["files"] == sum(expected.values()) - 4 + 1


@pytest.mark.parametrize("name", ["missing", "empty", "nothing"])
def test_wrong_use_is_one_line_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "nothing").mkdir()
    (tmp_path / "nothing" / "patient_smith.txt").write_text("no image")
    with pytest.raises(UsageError) as error:
        scan_archive([tmp_path / name], tmp_path / "catalog")
    assert "\n" not in str(error.value)
    assert "smith" not in str(error.value)
    assert not (tmp_path / "catalog").exists()


def test_a_used_output_folder_and_an_unknown_policy_are_refused(tmp_path: Path) -> None:
    mixed_archive(tmp_path / "archive")
    scan_archive([tmp_path / "archive"], tmp_path / "catalog")
    with pytest.raises(UsageError, match="already exists"):
        scan_archive([tmp_path / "archive"], tmp_path / "catalog")
    with pytest.raises(UsageError, match="strict, default or lenient"):
        scan_archive([tmp_path / "archive"], tmp_path / "other", policy="lax")


def test_a_catalog_inside_its_archive_is_refused(tmp_path: Path) -> None:
    mixed_archive(tmp_path / "archive")
    (tmp_path / "link").symlink_to(tmp_path / "archive" / "pictures")
    for out in (tmp_path / "archive" / "catalog", tmp_path / "link" / "catalog"):
        with pytest.raises(UsageError, match="inside the archive"):
            scan_archive([tmp_path / "archive"], out)
        assert not out.exists()


@pytest.mark.parametrize("name", ["summary.json", "catalog.parquet", "ledger.parquet", "masks.parquet"])
def test_a_damaged_catalog_is_one_line(tmp_path: Path, name: str) -> None:
    mixed_archive(tmp_path / "archive")
    folder = scan_archive([tmp_path / "archive"], tmp_path / "catalog").folder
    (folder / name).write_text("{")
    with pytest.raises(UsageError, match="damaged catalog"):
        Catalog.open(folder)


def test_policies_differ_in_what_they_hold_back(tmp_path: Path) -> None:
    image = bytearray(nifti_bytes())
    image[76 + 4 : 76 + 8] = np.float32(7).tobytes()  # pixdim against sform: a repaired geometry
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "odd.nii").write_bytes(bytes(image))
    (tmp_path / "archive" / "good.nii").write_bytes(nifti_bytes(1))
    used = {
        policy: scan_archive([tmp_path / "archive"], tmp_path / policy, policy).summary()["used"]
        for policy in ("strict", "default", "lenient")
    }
    assert used == {"strict": 1, "default": 2, "lenient": 2}


def test_a_fault_found_late_moves_the_file_in_the_ledger(tmp_path: Path) -> None:
    values = np.full((6, 5, 4), np.nan, np.float32)
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "nan.nii").write_bytes(nib.Nifti1Image(values, np.eye(4)).to_bytes())
    (tmp_path / "archive" / "good.nii").write_bytes(nifti_bytes(1))
    catalog = scan_archive([tmp_path / "archive"], tmp_path / "catalog")
    assert catalog.summary()["used"] == 2
    report = convert(catalog, tmp_path / "converted")
    assert report["written"] == 1
    assert list(report["faults"].values()) == ["NONFINITE_MANY"]
    summary = Catalog.open(tmp_path / "catalog").summary()
    assert (summary["files"], summary["used"], summary["quarantined"]) == (2, 1, 1)


def test_an_explanation_tells_what_shows_in_the_pixels_only(tmp_path: Path, private_home: Path) -> None:
    values = np.ones((6, 5, 8), np.float32)
    values[0, 0, 0] = np.nan
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "nan.nii").write_bytes(nib.Nifti1Image(values, np.eye(4)).to_bytes())
    catalog = scan_archive([tmp_path / "archive"], tmp_path / "catalog")
    (scan,) = catalog.scans["scan"]
    assert "NONFINITE (repair)" in explain_scan(catalog, scan)
    (tmp_path / "archive" / "nan.nii").unlink()
    assert "cannot be read" in explain_scan(Catalog.open(catalog.folder), scan)
    (private_home / "locators" / f"{catalog.identity}.parquet").unlink()
    assert "locator is not on this machine" in explain_scan(Catalog.open(catalog.folder), scan)


def test_a_fault_in_one_picture_of_many_leaves_the_file_in_use(tmp_path: Path) -> None:
    images = np.ones((3, 4, 4), np.float32)
    images[1] = np.nan
    np.savez(tmp_path / "a.npz", train_images=images, train_labels=np.arange(3)[:, None])
    catalog = scan_archive([tmp_path / "a.npz"], tmp_path / "catalog")
    errors = [scan for scan, found in read_all(catalog) if isinstance(found, ArchiveError)]
    assert len(errors) == 1
    assert catalog.ledger.loc[0, "state"] == "used"
    assert "NONFINITE_MANY" in catalog.ledger.loc[0, "flags"]


def test_changed_and_missing_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "archive").mkdir()
    for name in "ab":
        (tmp_path / "archive" / f"{name}.nii").write_bytes(nifti_bytes(ord(name)))
    catalog = scan_archive([tmp_path / "archive"], tmp_path / "catalog")
    place = catalog.locations().set_index("path")["scan"]
    Path(place.index[0]).unlink()
    Path(place.index[1]).write_bytes(nifti_bytes(5, (7, 7, 7)))
    for scan, code in zip(place, ("MISSING", "CHANGED"), strict=True):
        with pytest.raises(ArchiveError) as error:
            read(catalog, scan)
        assert error.value.code == code
        assert str(tmp_path) not in str(error.value)


@pytest.mark.parametrize(
    ("name", "files", "scans"),
    [("pneumoniamnist.npz", 1, 5856), ("busi", 780, 780), ("brats6", 24, 24), ("msd_hippocampus", 523, 523)],
)
def test_real_archives_are_accounted_for(
    tmp_path: Path, data: Callable[[str], Path], name: str, files: int, scans: int
) -> None:
    summary = scan_archive([data(name)], tmp_path / "catalog").summary()
    assert (summary["files"], summary["used"], summary["scans"]) == (files, files, scans)


def test_a_series_that_lacks_its_last_slice_says_so(tmp_path: Path) -> None:
    made = phantom.files(phantom.series())
    last = list(made)[-1]
    (tmp_path / "archive").mkdir()
    for name, content in made.items():
        (tmp_path / "archive" / name).write_bytes(content[:-100] if name == last else content)
    catalog = scan_archive([tmp_path / "archive"], tmp_path / "default")
    (row,) = catalog.scans.to_dict("records")
    assert set(row["flags"].split(";")) == {"TRUNCATED_SLICE"}
    assert "TRUNCATED_SLICE (geometry)" in explain_scan(catalog, row["scan"])
    assert read(catalog, row["scan"]).array.shape == (48, 40, 23)
    with pytest.raises(UsageError, match="23 TRUNCATED_SLICE, 1 TRUNCATED"):
        scan_archive([tmp_path / "archive"], tmp_path / "strict", "strict")
