"""Masks of a tilted series lie on its slices, through reading and through a store; others are refused."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from pydicom.dataset import Dataset

from medcl.archive import ArchiveError, Catalog, read, read_mask, scan_archive
from medcl.store import prepare
from medcl.testing import phantom
from tests.archive.label_samples import rtstruct_of
from tests.archive.label_samples import seg_of as seg_from

TILTED = phantom.SliceGeometry(rows=13, columns=11, spacing=(3.0, 3.0), step=3.6, count=6, tilt=15.0)
LABELS = np.zeros((6, 13, 11), np.uint8)
LABELS[1:4, 3:9, 2:7] = 1
LABELS[3:5, 5:7, 4:9] = 2


def tilted_series(folder: Path) -> list[Dataset]:
    blank = dict.fromkeys(
        ("PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "AccessionNumber", "StudyID"), ""
    )
    slices = phantom.series(TILTED, PositionReferenceIndicator="", ContentDate="20200101", **blank)
    folder.mkdir(parents=True)
    for name, content in phantom.files(slices).items():
        (folder / name).write_bytes(content)
    return slices


def seg_of(slices: list[Dataset], kind: str) -> Dataset:
    drawn = np.stack([np.equal(LABELS, n) for n in (1, 2)], axis=-1) * 0.7 if kind == "FRACTIONAL" else LABELS
    return seg_from(slices, drawn, kind)


def on_the_scan(catalog: Catalog) -> np.ndarray:
    (row,) = catalog.masks.to_dict("records")
    found = read_mask(catalog, row["mask"], row["scan"])
    assert found.shape == read(catalog, row["scan"]).array.shape
    return found


EXPECTED = LABELS.transpose(2, 1, 0)[::-1, ::-1]
"""(i, j) run right and anterior; rows and columns of DICOM run posterior and left."""


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL", "LABELMAP"])
@pytest.mark.filterwarnings("ignore")
def test_a_seg_of_a_tilted_series_lies_on_its_slices(tmp_path: Path, kind: str) -> None:
    slices = tilted_series(tmp_path / "archive" / "ct")
    seg_of(slices, kind).save_as(tmp_path / "archive" / "seg.dcm")
    catalog = scan_archive([tmp_path / "archive"], tmp_path / "catalog")
    np.testing.assert_array_equal(on_the_scan(catalog), EXPECTED)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("fault", ["moved", "turned", "outside"])
def test_a_seg_off_the_voxels_is_refused(tmp_path: Path, fault: str) -> None:
    slices = tilted_series(tmp_path / "archive" / "ct")
    seg = seg_of(slices, "BINARY")
    for frame in seg.PerFrameFunctionalGroupsSequence:
        place = frame.PlanePositionSequence[0]
        position = np.array(place.ImagePositionPatient, float)
        if fault != "turned":
            position[0] += 1.0 if fault == "moved" else 9.0 * TILTED.spacing[1]
        place.ImagePositionPatient = [f"{value:.6f}" for value in position]
    if fault == "turned":
        turn = [np.cos(0.1), np.sin(0.1), 0, -np.sin(0.1), np.cos(0.1), 0]
        shared = seg.SharedFunctionalGroupsSequence[0]
        shared.PlaneOrientationSequence[0].ImageOrientationPatient = [f"{value:.9f}" for value in turn]
    seg.save_as(tmp_path / "archive" / "seg.dcm")
    catalog = scan_archive([tmp_path / "archive"], tmp_path / "catalog")
    with pytest.raises(ArchiveError, match="MASK_MISMATCH"):
        on_the_scan(catalog)


def contours(slices: list[Dataset]) -> list[np.ndarray]:
    """Return, on slices 1 to 3, the outline of pixels 3 to 8 down and 2 to 6 across."""
    found = []
    for ds in slices[1:4]:
        corner = np.array(ds.ImagePositionPatient, float)
        row, column = np.array(TILTED.row) * 3.0, np.array(TILTED.column) * 3.0
        ends = [(2.5, 1.5), (2.5, 6.5), (8.5, 6.5), (8.5, 1.5)]
        found.append(np.array([corner + down * column + across * row for down, across in ends]))
    return found


def test_an_rtstruct_of_a_tilted_series_lies_on_its_slices(tmp_path: Path) -> None:
    slices = tilted_series(tmp_path / "archive" / "ct")
    struct = rtstruct_of(slices, contours(slices))
    struct.save_as(tmp_path / "archive" / "rt.dcm", enforce_file_format=True)
    catalog = scan_archive([tmp_path / "archive"], tmp_path / "catalog")
    expected = np.zeros_like(EXPECTED)
    expected[11 - 7 : 11 - 2, 13 - 9 : 13 - 3, 1:4] = 1
    np.testing.assert_array_equal(on_the_scan(catalog), expected)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("source", ["dicom", "nifti"])
def test_a_store_keeps_the_mask_on_the_tilted_scan(tmp_path: Path, source: str) -> None:
    slices = tilted_series(tmp_path / "archive" / "ct")
    seg_of(slices, "BINARY").save_as(tmp_path / "archive" / "seg.dcm")
    if source == "nifti":
        catalog = scan_archive([tmp_path / "archive"], tmp_path / "first")
        (row,) = catalog.masks.to_dict("records")
        scan, mask = read(catalog, row["scan"]), on_the_scan(catalog)
        (tmp_path / "archive2").mkdir()
        nib.Nifti1Image(scan.array, scan.affine).to_filename(tmp_path / "archive2" / "a.nii")
        nib.Nifti1Image(mask, scan.affine).to_filename(tmp_path / "archive2" / "a_seg.nii")
    root = tmp_path / ("archive" if source == "dicom" else "archive2")
    store = prepare(scan_archive([root], tmp_path / "catalog"), tmp_path / "store")
    mask = store.mask(0)
    assert len(store) == 1
    assert mask is not None
    assert mask.shape == store.array(0).shape
    for label in (1, 2):
        assert (mask == label).sum() == np.count_nonzero(np.equal(LABELS, label))
    places = np.argwhere(mask > 0) @ store.affine(0)[:3, :3].T + store.affine(0)[:3, 3]
    expected = [
        TILTED.points(position)[drawn > 0] * [-1, -1, 1]
        for position, drawn in zip(TILTED.positions(), LABELS, strict=True)
    ]
    apart = np.abs(places.mean(axis=0) - np.concatenate(expected).mean(axis=0))
    assert apart.max() < 1.5
