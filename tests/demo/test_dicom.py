"""Synthetic DICOM: complete headers, positions of the grid, and pixels that read back as HU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest

from medcl.demo.dicom import NOTICE, save, scout, screenshot, series, uid
from medcl.demo.modality import SCANNERS, Scanner
from medcl.demo.patients import draw_patients
from medcl.demo.scanner import draw_grid

PATIENT = draw_patients(2, 0)[0]


def test_uids_are_determined_by_their_parts_and_valid() -> None:
    assert uid("a", 1) == uid("a", 1) != uid("a", 2)
    assert pydicom.uid.UID(uid("a")).is_valid
    assert len(uid("a")) <= 64


@pytest.mark.parametrize("scanner", SCANNERS, ids=lambda scanner: scanner.site)
def test_a_series_reads_back_where_and_as_what_it_was(scanner: Scanner, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    grid = draw_grid(rng, scanner)
    hu = rng.integers(-1000, 1500, grid.shape).astype(np.int16)
    to_lps = np.diag([-1.0, -1.0, 1.0, 1.0])
    center = scanner.matrix // 2
    uids = set()
    for index, data in enumerate(series(PATIENT, scanner, grid, hu)):
        save(data, tmp_path / "slice.dcm")
        read = pydicom.dcmread(tmp_path / "slice.dcm")
        values = read.pixel_array.T * read.RescaleSlope + read.RescaleIntercept
        assert values[center, center] == hu[center, center, index]
        if scanner.padding is None:
            np.testing.assert_array_equal(values, hu[:, :, index])
        else:
            assert values[0, 0] == scanner.padding == read.PixelPaddingValue
        position = (to_lps @ grid.affine @ [0, 0, index, 1])[:3]
        np.testing.assert_allclose(np.array(read.ImagePositionPatient, float), position, atol=1e-6)
        np.testing.assert_allclose(
            np.array(read.PixelSpacing, float), scanner.field_mm / scanner.matrix, rtol=1e-6
        )
        assert (read.PatientID, read.ImageComments) == (PATIENT.name, NOTICE)
        uids.add(read.SOPInstanceUID)
    assert len(uids) == grid.shape[2]


def test_a_scout_and_a_screenshot_say_what_they_are(tmp_path: Path) -> None:
    hu = np.zeros((20, 20, 6), np.int16)
    for make, kind in ((scout, "LOCALIZER"), (screenshot, "SECONDARY")):
        save(make(PATIENT, SCANNERS[0], hu), tmp_path / "one.dcm")
        read = pydicom.dcmread(tmp_path / "one.dcm")
        assert kind in read.ImageType
        assert read.PatientIdentityRemoved == "YES"
        assert read.pixel_array.size > 0
    assert (read.Modality, read.BurnedInAnnotation, read.SamplesPerPixel) == ("OT", "YES", 3)
