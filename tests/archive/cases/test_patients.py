"""Layouts of data sets: subjects and cases are patients, whatever is below them or beside them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from medcl.archive import Catalog, scan_archive
from medcl.store import prepare

CaseFolder = Callable[[str], Path]


def scanned(folder: Path, out: Path) -> Catalog:
    return scan_archive([folder], out / "catalog")


def test_eight_bids_subjects_with_sessions_are_eight_patients(
    case_folder: CaseFolder, tmp_path: Path
) -> None:
    catalog = scanned(case_folder("bids_sessions"), tmp_path)
    assert len(catalog.scans) == 32
    assert catalog.scans["patient"].nunique() == 8
    assert catalog.summary()["patient_evidence"] == {"BIDS": 32}


@pytest.mark.parametrize("seed", range(5))
def test_no_subject_is_in_two_splits(seed: int, case_folder: CaseFolder, tmp_path: Path) -> None:
    store = prepare(scanned(case_folder("bids_sessions"), tmp_path), tmp_path / "store", seed=seed)
    assert store.scans["patient"].nunique() == 8
    assert (store.scans.groupby("patient")["split"].nunique() == 1).all()


def test_derivatives_are_of_their_subject(case_folder: CaseFolder, tmp_path: Path) -> None:
    catalog = scanned(case_folder("bids"), tmp_path)
    assert catalog.scans["patient"].nunique() == 6
    assert set(catalog.scans["patient_evidence"]) == {"BIDS"}


def test_channels_of_a_case_are_one_patient(case_folder: CaseFolder, tmp_path: Path) -> None:
    catalog = scanned(case_folder("nnunet_raw"), tmp_path)
    images = catalog.scans[~catalog.scans["flags"].str.contains("LABEL_MAP")]
    assert (images.groupby("patient").size() == 3).all()
    assert images["patient"].nunique() == 12
    assert images["flags"].str.contains("PATIENT_FROM_LAYOUT").all()
    assert set(catalog.scans["patient"]) == set(images["patient"])  # labels are their case's


def test_sidecars_at_the_root_apply_below(case_folder: CaseFolder, tmp_path: Path) -> None:
    catalog = scanned(case_folder("bids"), tmp_path)
    images = catalog.scans[~catalog.scans["flags"].str.contains("LABEL_MAP")]
    assert images["modality"].value_counts().to_dict() == {"MR": 42}  # 12 T1w and 6 bold of 5 frames
    assert (images["manufacturer"] == "Siemens").sum() == 12
    reasons = catalog.summary()["reasons"]
    assert reasons == {"SIDECAR": 2, "NOT_AN_IMAGE": 8}
