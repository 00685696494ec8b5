"""The JSON beside a NIfTI says its modality; nothing else of it goes anywhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from medcl.archive import read, scan_archive
from medcl.archive.ledger import index
from tests.archive.canaries import CANARY, assert_clean, outputs
from tests.archive.samples import nifti_bytes

FACTS = {
    "Modality": "CT",
    "Manufacturer": "GE MEDICAL SYSTEMS",
    "BodyPartExamined": "CHEST",
    "SeriesDescription": CANARY,
    "PatientName": CANARY,
    "InstitutionName": CANARY,
}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "archive" / "sub-01"
    folder.mkdir(parents=True)
    (folder / "a_ct.nii.gz").write_bytes(nifti_bytes(1))
    (folder / "a_ct.json").write_text(json.dumps(FACTS))
    (folder / "b.nii").write_bytes(nifti_bytes(2))
    (folder / "other.json").write_text(json.dumps({"Modality": CANARY}))
    return tmp_path / "archive"


def test_modality_maker_and_body_part_come_from_the_sidecar(archive: Path, tmp_path: Path) -> None:
    catalog = scan_archive([archive], tmp_path / "catalog")
    (row,) = catalog.scans[catalog.scans["modality"] == "CT"].to_dict("records")
    assert (row["manufacturer"], row["body_part"], row["unit"]) == ("GE", "CHEST", "a.u.")
    assert "SIDECAR_USED" in row["flags"]
    assert catalog.summary()["modalities"] == {"CT": 1, "unknown": 1}
    assert catalog.summary()["reasons"] == {"SIDECAR": 1, "NOT_AN_IMAGE": 1}
    scan = read(catalog, row["scan"])
    assert (scan.modality, scan.unit) == ("CT", "a.u.")
    assert "UNCALIBRATED" in scan.flags
    assert "SIDECAR_USED" in scan.flags
    for name, content in outputs(tmp_path / "catalog"):
        assert_clean(content, name)


def test_a_nifti_and_its_sidecar_stay_together_in_groups_of_any_size(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(40):
        (archive / f"n{number}.nii").write_bytes(nifti_bytes(number))
        (archive / f"n{number}.json").write_text(json.dumps({"Modality": "MR"}))
    monkeypatch.setattr(index, "GROUP_FILES", 1)
    catalog = scan_archive([archive], tmp_path / "catalog")
    assert catalog.summary()["modalities"] == {"CT": 1, "MR": 40, "unknown": 1}


def test_a_sidecar_that_changes_is_read_again(archive: Path, tmp_path: Path) -> None:
    scan_archive([archive], tmp_path / "first")
    (archive / "sub-01" / "a_ct.json").write_text(json.dumps({"Modality": "MR", "more": 1}))
    assert scan_archive([archive], tmp_path / "second").summary()["modalities"] == {"MR": 1, "unknown": 1}


@pytest.mark.parametrize("content", ["[1, 2]", "{", '{"Modality": 3}', "[" * 100_000, "null"])
def test_json_of_any_other_kind_is_no_sidecar(archive: Path, tmp_path: Path, content: str) -> None:
    (archive / "sub-01" / "a_ct.json").write_text(content)
    assert scan_archive([archive], tmp_path / "catalog").summary()["reasons"] == {"NOT_AN_IMAGE": 2}
