"""A DICOM segmentation of a map lies in the scan where the map does, by medcl's own reader."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest

from medcl.archive import Catalog, read, read_mask, scan_archive
from medcl.errors import UsageError
from medcl.testing import phantom
from medcl.tissue.dicom_out import write_segmentation

pytest.importorskip("highdicom")

OBLIQUE = phantom.SliceGeometry(
    rows=15, columns=11, spacing=(2.0, 3.0), row=(0.0, 1.0, 0.0), column=(0.0, 0.0, -1.0), step=4.0, count=7
)
"""Sagittal slices of oblong pixels: every axis has its own length and is turned on the way."""


def ct_series(folder: Path, geometry: phantom.SliceGeometry) -> Catalog:
    blank = dict.fromkeys(
        ("PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "AccessionNumber", "StudyID"), ""
    )
    slices = phantom.series(geometry, PositionReferenceIndicator="", ContentDate="20200101", **blank)
    (folder / "archive").mkdir(parents=True)
    for name, content in phantom.files(slices).items():
        (folder / "archive" / name).write_bytes(content)
    return scan_archive([folder / "archive"], folder / "catalog")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("geometry", [phantom.AXIAL, OBLIQUE], ids=["axial", "sagittal"])
def test_a_segmentation_reads_back_at_its_place(tmp_path: Path, geometry: phantom.SliceGeometry) -> None:
    catalog = ct_series(tmp_path, geometry)
    (scan,) = catalog.scans["scan"]
    image = read(catalog, scan)
    assert image.affine is not None
    called = np.zeros(image.array.shape, bool)
    called[2:5, 1:7, 3:6] = True
    called[6, 2, 1] = True
    path = tmp_path / "archive" / "seg.dcm"
    write_segmentation(catalog, scan, called, image.affine, path)
    assert path.stat().st_mode & 0o077 == 0, "it names the patient"
    written = pydicom.dcmread(path)
    assert written.SegmentationType == "BINARY"
    assert written.SegmentSequence[0].SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Lesion"
    again = scan_archive([tmp_path / "archive"], tmp_path / "again")
    (row,) = again.masks.to_dict("records")
    np.testing.assert_array_equal(read_mask(again, row["mask"], row["scan"]), called)


@pytest.mark.filterwarnings("ignore")
def test_what_cannot_be_drawn_is_one_line(tmp_path: Path) -> None:
    catalog = ct_series(tmp_path, phantom.AXIAL)
    (scan,) = catalog.scans["scan"]
    image = read(catalog, scan)
    assert image.affine is not None
    called = np.ones(image.array.shape, bool)
    moved = image.affine.copy()
    moved[:3, 3] += 0.4
    with pytest.raises(UsageError, match="no voxel is abnormal"):
        write_segmentation(catalog, scan, ~called, image.affine, tmp_path / "seg.dcm")
    with pytest.raises(UsageError, match="is not on evenly spaced DICOM slices"):
        write_segmentation(catalog, scan, called, moved, tmp_path / "seg.dcm")
    assert not (tmp_path / "seg.dcm").exists()
