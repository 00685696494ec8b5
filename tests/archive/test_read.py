"""A scan is read as its catalog describes it; faults that are detected late are recorded."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from medcl.archive import ArchiveError, Catalog, convert, read, read_all, scan_archive
from tests.archive.samples import mixed_archive, nifti_bytes
from tests.tiny_scans import SPACING_MM, tiny_values


def test_catalog_says_what_reading_gives(tmp_path: Path) -> None:
    mixed_archive(tmp_path / "archive")
    catalog = scan_archive([tmp_path / "archive"], tmp_path / "catalog")
    for name, scan in read_all(Catalog.open(catalog.folder)):
        assert not isinstance(scan, ArchiveError)
        row = catalog.row(name)
        assert row["shape"] == "x".join(map(str, scan.array.shape))
        assert row["unit"] == scan.unit
        assert (row["spacing_mm"] is None) == (scan.spacing_mm is None)
        assert set(filter(None, row["flags"].split(";"))) <= set(scan.flags)


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


def test_a_fault_in_one_image_of_many_leaves_the_file_in_use(tmp_path: Path) -> None:
    images = np.ones((3, 4, 4), np.float32)
    images[1] = np.nan
    np.savez(tmp_path / "a.npz", train_images=images, train_labels=np.arange(3)[:, None])
    catalog = scan_archive([tmp_path / "a.npz"], tmp_path / "catalog")
    errors = [scan for _, scan in read_all(catalog) if isinstance(scan, ArchiveError)]
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


def test_a_dicom_series_and_a_nifti_of_the_same_voxels_are_read_alike(
    tiny_dicom_series: Path, tiny_nifti: Path, tmp_path: Path
) -> None:
    catalog = scan_archive([tiny_dicom_series, tiny_nifti], tmp_path / "catalog")
    assert catalog.summary()["used"] == 5
    scans = {catalog.row(scan)["source"]: read(catalog, scan) for scan in catalog.scans["scan"]}
    assert set(scans) == {"dicom", "nifti"}
    assert (scans["dicom"].unit, scans["nifti"].unit) == ("HU", "a.u.")
    for scan in scans.values():
        np.testing.assert_array_equal(scan.array, tiny_values())
        assert scan.spacing_mm == pytest.approx(SPACING_MM)
        np.testing.assert_allclose(scan.affine[:3, :3], np.diag(SPACING_MM), atol=1e-6)
