"""Contours of an RTSTRUCT are filled on the slices of their series, upright or tilted; others are refused."""

from __future__ import annotations

import copy
import io
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from medcl.archive import ArchiveError, read_mask, scan_archive
from medcl.archive.dicom.labels.rtstruct import structures
from tests.archive.canaries import canary_slice
from tests.archive.dicom.labels.tilted_series import EXPECTED, TILTED, on_the_scan, tilted_series
from tests.archive.label_samples import ct_series, rtstruct_of, square


def test_rtstruct_contours_are_filled_on_their_slices(tmp_path: Path) -> None:
    slices = ct_series(tmp_path / "archive" / "ct")
    contours = [square(0.5, 6.5, 4.0), square(2.5, 4.5, 4.0), square(1.5, 3.5, 6.0)]
    rtstruct_of(slices, contours).save_as(tmp_path / "archive" / "rt.dcm", enforce_file_format=True)
    catalog = scan_archive([tmp_path / "archive"], tmp_path / "catalog")
    assert list(catalog.masks["kind"]) == ["rtstruct"]
    row = catalog.masks.iloc[0]
    labels = read_mask(catalog, row["mask"], row["scan"])
    assert labels[..., 2].sum() == 36 - 4  # a hole
    assert labels[..., 3].sum() == 4
    assert labels.sum() == 36
    assert labels[8 - 1 - 1, 8 - 1 - 1, 2] == 1


@pytest.mark.parametrize("contour", [square(1, 3, 5.0), square(501, 503, 4.0), square(3, 60, 4.0)])
def test_rtstruct_off_its_slices_is_refused(tmp_path: Path, contour: np.ndarray) -> None:
    slices = ct_series(tmp_path / "archive" / "ct")
    rtstruct_of(slices, [contour]).save_as(tmp_path / "archive" / "rt.dcm", enforce_file_format=True)
    catalog = scan_archive([tmp_path / "archive"], tmp_path / "catalog")
    row = catalog.masks.iloc[0]
    with pytest.raises(ArchiveError, match="MASK_MISMATCH"):
        read_mask(catalog, row["mask"], row["scan"])
    assert catalog.summary()["reasons"] == {"MASK_MISMATCH": 1}


@pytest.mark.parametrize("fault", ["beyond", "between", "malformed", "points"])
def test_a_structure_that_does_not_fit_is_left_out_alone(fault: str, tmp_path: Path) -> None:
    slices = ct_series(tmp_path / "archive" / "ct")
    ds = rtstruct_of(slices, [square(0.5, 6.5, 4.0)])
    bad = copy.deepcopy(ds.ROIContourSequence[0])
    bad.ReferencedROINumber = 8
    contour = bad.ContourSequence[0]
    if fault == "points":
        contour.ContourGeometricType = "POINT"
    elif fault == "malformed":
        contour.ContourData = contour.ContourData[:-1]
    else:
        points = square(3, 60, 4.0) if fault == "beyond" else square(1, 3, 5.0)
        contour.ContourData = [f"{value:.4f}" for value in points.ravel()]
    ds.ROIContourSequence.append(bad)
    ds.save_as(tmp_path / "archive" / "rt.dcm", enforce_file_format=True)
    catalog = scan_archive([tmp_path / "archive"], tmp_path / "catalog")
    row = catalog.masks.iloc[0]
    labels = read_mask(catalog, row["mask"], row["scan"])
    assert np.bincount(labels.ravel()).tolist() == [8 * 8 * 6 - 36, 36]
    assert (catalog.ledger["flags"].str.contains("STRUCTURE_LEFT_OUT")).sum() == 1
    assert catalog.summary()["used"] == 7


def test_a_circle_has_its_area() -> None:
    angle = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    circle = np.stack([30 + 20 * np.cos(angle), 30 + 20 * np.sin(angle), np.full(400, 2.0)], axis=-1)
    stream = io.BytesIO()
    slices = [canary_slice(0, "1.2.3")]
    rtstruct_of(slices, [circle]).save_as(stream, enforce_file_format=True)
    labels, left_out = structures(stream, np.diag([-1.0, -1.0, 1.0, 1.0]), (64, 64, 4))
    assert abs(labels.sum() - np.pi * 400) < 0.01 * np.pi * 400
    assert left_out == ()


def contours(slices: list[Dataset]) -> list[np.ndarray]:
    """Return, on slices 1 to 3, the outline of pixels 3 to 8 down and 2 to 6 across."""
    outlines = []
    for ds in slices[1:4]:
        corner = np.array(ds.ImagePositionPatient, float)
        row, column = np.array(TILTED.row) * 3.0, np.array(TILTED.column) * 3.0
        ends = [(2.5, 1.5), (2.5, 6.5), (8.5, 6.5), (8.5, 1.5)]
        outlines.append(np.array([corner + down * column + across * row for down, across in ends]))
    return outlines


def test_an_rtstruct_of_a_tilted_series_lies_on_its_slices(tmp_path: Path) -> None:
    slices = tilted_series(tmp_path / "archive" / "ct")
    struct = rtstruct_of(slices, contours(slices))
    struct.save_as(tmp_path / "archive" / "rt.dcm", enforce_file_format=True)
    catalog = scan_archive([tmp_path / "archive"], tmp_path / "catalog")
    expected = np.zeros_like(EXPECTED)
    expected[11 - 7 : 11 - 2, 13 - 9 : 13 - 3, 1:4] = 1
    np.testing.assert_array_equal(on_the_scan(catalog), expected)
