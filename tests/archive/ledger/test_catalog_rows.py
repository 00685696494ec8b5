"""Outcomes become rows: patients by evidence, splits and labels, policies, incomplete series."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medcl.archive import explain_scan, read, scan_archive
from medcl.errors import UsageError
from medcl.testing import phantom
from tests.archive.samples import mixed_archive, nifti_bytes, npz_bytes


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


def test_accept_decides_what_is_held_back(tmp_path: Path) -> None:
    image = bytearray(nifti_bytes())
    image[76 + 4 : 76 + 8] = np.float32(7).tobytes()  # pixdim against sform: a repaired geometry
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "odd.nii").write_bytes(bytes(image))
    (tmp_path / "archive" / "good.nii").write_bytes(nifti_bytes(1))
    used = {
        accept: scan_archive([tmp_path / "archive"], tmp_path / accept, accept).summary()["used"]
        for accept in ("strict", "default", "lenient")
    }
    assert used == {"strict": 1, "default": 2, "lenient": 2}


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
    with pytest.raises(UsageError, match=r"23 TRUNCATED_SLICE \(.*; 1 TRUNCATED \("):
        scan_archive([tmp_path / "archive"], tmp_path / "strict", "strict")
