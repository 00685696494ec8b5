"""A SEG lies on the voxels of its series, upright or tilted, also in a store; others are refused."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from pydicom.dataset import Dataset

from medcl.archive import ArchiveError, read, read_mask, scan_archive
from medcl.store import prepare
from tests.archive.dicom.labels.tilted_series import EXPECTED, LABELS, TILTED, on_the_scan, tilted_series
from tests.archive.label_samples import ct_series, seg_of


def test_a_dicom_seg_lies_on_its_series(tmp_path: Path) -> None:
    slices = ct_series(tmp_path / "archive" / "ct")
    labels = np.zeros((6, 8, 8), np.uint8)
    labels[2:4, 1:3, 4:7] = 1
    labels[4, 6, 2] = 2
    seg_of(slices, labels).save_as(tmp_path / "archive" / "seg.dcm")
    catalog = scan_archive([tmp_path / "archive"], tmp_path / "catalog")
    assert list(catalog.masks["kind"]) == ["seg"]
    row = catalog.masks.iloc[0]
    rendered = read_mask(catalog, row["mask"], row["scan"])
    values = read(catalog, row["scan"]).array + 1024
    assert rendered.shape == values.shape
    assert set(values[rendered == 1].tolist()) == {2, 3}
    assert set(values[rendered == 2].tolist()) == {4}
    # (i, j) run right and anterior; rows and columns of DICOM run posterior and left.
    expected = labels.transpose(2, 1, 0)[::-1, ::-1]
    np.testing.assert_array_equal(rendered, expected)
    assert catalog.summary()["used"] == 7


def test_a_segment_beyond_the_scan_is_left_out_alone(tmp_path: Path) -> None:
    slices = ct_series(tmp_path / "archive" / "ct")
    labels = np.zeros((6, 8, 8), np.uint8)
    labels[2:4, 1:3, 4:7] = 1
    labels[4:, 6, 2] = 2
    seg_of(slices, labels).save_as(tmp_path / "archive" / "seg.dcm")
    (tmp_path / "archive" / "ct" / "5.dcm").unlink()
    catalog = scan_archive([tmp_path / "archive"], tmp_path / "catalog")
    row = catalog.masks.iloc[0]
    rendered = read_mask(catalog, row["mask"], row["scan"])
    np.testing.assert_array_equal(rendered, (labels[:5] == 1).transpose(2, 1, 0)[::-1, ::-1])
    assert (catalog.ledger["flags"].str.contains("STRUCTURE_LEFT_OUT")).sum() == 1
    assert catalog.summary()["used"] == 6


def tilted_seg(slices: list[Dataset], kind: str) -> Dataset:
    drawn = np.stack([np.equal(LABELS, n) for n in (1, 2)], axis=-1) * 0.7 if kind == "FRACTIONAL" else LABELS
    return seg_of(slices, drawn, kind)


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL", "LABELMAP"])
@pytest.mark.filterwarnings("ignore")
def test_a_seg_of_a_tilted_series_lies_on_its_slices(tmp_path: Path, kind: str) -> None:
    slices = tilted_series(tmp_path / "archive" / "ct")
    tilted_seg(slices, kind).save_as(tmp_path / "archive" / "seg.dcm")
    catalog = scan_archive([tmp_path / "archive"], tmp_path / "catalog")
    np.testing.assert_array_equal(on_the_scan(catalog), EXPECTED)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("fault", ["moved", "turned", "outside"])
def test_a_seg_off_the_voxels_is_refused(tmp_path: Path, fault: str) -> None:
    slices = tilted_series(tmp_path / "archive" / "ct")
    seg = tilted_seg(slices, "BINARY")
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


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("source", ["dicom", "nifti"])
def test_a_store_keeps_the_mask_on_the_tilted_scan(tmp_path: Path, source: str) -> None:
    slices = tilted_series(tmp_path / "archive" / "ct")
    tilted_seg(slices, "BINARY").save_as(tmp_path / "archive" / "seg.dcm")
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
