"""Label tables and class folders: what they state of scans, and what is refused."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from medcl.archive import scan_archive
from medcl.errors import UsageError
from medcl.store import prepare, read_labels
from tests.store.samples import write_images


def test_label_table_by_file_with_patients(archive: Path, tmp_path: Path) -> None:
    names = sorted(p.name for p in archive.rglob("*.png"))
    table = pd.DataFrame(
        {"file": names, "label": ["x", "y"] * 20, "patient": [f"P{i // 4}" for i in range(40)]}
    )
    table.to_csv(tmp_path / "labels.csv", index=False)
    store = prepare(scan_archive([archive], tmp_path / "c"), tmp_path / "s", tmp_path / "labels.csv")
    assert store.scans["patient"].nunique() == 10
    assert (store.scans.groupby("patient")["split"].nunique() == 1).all()
    assert not store.scans["patient"].str.contains("P").any()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("name,label\na,b\n", "no key column"),
        ("file,class\na,b\n", "no column 'label'"),
        ("file,label\nhealthy1.png,a\nhealthy1.png,b\n", "repeat a 'file'"),
        ("file,label\nhealthy1.png,a\nhealthy1,b\n", "repeat a 'file'"),
        ("file,label\nsecretname.png,a\n", "names no scan"),
        ("file,label\nhealthy1.png,a\nhealthy2.png,a\n", "1 class"),
        ("file,label\nhealthy1.png,\nhealthy2.png,\n", "0 class"),
        ("file,label\n", "no row below"),
        ("secretname.png,a\nhealthy1.png,b\n", "no key column"),
        ("file,secretname\nhealthy1.png,b\n", "no column 'label'"),
        ("file,label,Label\nhealthy1.png,a,b\n", "same name"),
        ("file,label,modality\nhealthy1.png,a,potato\nhealthy2.png,b,CT\n", "no DICOM modality"),
        ("PK\x03\x04", "save it as CSV"),
    ],
)
def test_a_faulty_label_table_is_refused_before_anything_is_written(
    archive: Path, tmp_path: Path, table: str, message: str
) -> None:
    (tmp_path / "labels.csv").write_text(table)
    catalog = scan_archive([archive], tmp_path / "c")
    with pytest.raises(UsageError, match=message) as caught:
        prepare(catalog, tmp_path / "s", tmp_path / "labels.csv")
    assert "\n" not in str(caught.value)
    assert "secretname" not in str(caught.value)
    assert not (tmp_path / "s").exists()


def test_a_folder_of_masks_is_no_class(tmp_path: Path) -> None:
    archive = write_images(tmp_path / "a", {"benign": 4, "malignant": 4})
    (archive / "masks").mkdir()
    mask = np.zeros((24, 30), np.uint8)
    mask[4:9, 5:12] = 255
    Image.fromarray(mask).save(archive / "masks" / "other.png")
    store = prepare(scan_archive([archive], tmp_path / "c"), tmp_path / "s", "folders")
    assert store.record["classes"] == {"benign": 4, "malignant": 4}


def test_an_identifier_in_another_spelling_is_the_same_patient(archive: Path, tmp_path: Path) -> None:
    rows = ["file,patient", "healthy1.png,P 1", "healthy2.png, p  1", "healthy3.png,P2"]
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    patients = read_labels(scan_archive([archive], tmp_path / "c"), tmp_path / "labels.csv").patient
    assert (len(patients), len(set(patients.values()))) == (3, 2)


def test_folders_of_patients_are_not_taken_for_classes(tmp_path: Path) -> None:
    archive = write_images(tmp_path / "a", {f"patient{i}": 1 for i in range(25)})
    with pytest.raises(UsageError, match="folders of patients"):
        prepare(scan_archive([archive], tmp_path / "c"), tmp_path / "s", "folders")


def test_a_table_may_name_bids_subjects_and_state_what_nifti_cannot_say(tmp_path: Path) -> None:
    for number in range(4):
        folder = tmp_path / "archive" / f"sub-{number:02d}" / "ct"
        folder.mkdir(parents=True)
        volume = np.random.default_rng(number).integers(-1000, 400, (8, 9, 5)).astype(np.int16)
        nib.Nifti1Image(volume, np.eye(4)).to_filename(folder / f"sub-{number:02d}_ct.nii.gz")
    rows = ["patient,label,modality", "sub-00,a,CT", "01,b,CT", "sub-02,a,", "03,b,"]
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    store = prepare(
        scan_archive([tmp_path / "archive"], tmp_path / "c"), tmp_path / "s", tmp_path / "labels.csv"
    )
    assert store.scans["label"].value_counts().to_dict() == {"a": 2, "b": 2}
    stated = store.scans.groupby("modality")["unit"].agg(list).to_dict()
    assert stated == {"CT": ["HU", "HU"], "unknown": ["a.u.", "a.u."]}


def test_participants_of_bids_are_patients(tmp_path: Path) -> None:
    for number in range(4):
        folder = tmp_path / "archive" / f"sub-{number:02d}" / "ses-1" / "anat"
        folder.mkdir(parents=True)
        volume = np.random.default_rng(number).integers(1, 400, (8, 9, 5)).astype(np.int16)
        nib.Nifti1Image(volume, np.eye(4)).to_filename(folder / f"sub-{number:02d}_ses-1_T1w.nii.gz")
    rows = ["participant_id\tlabel\tage", *(f"sub-{n:02d}\t{'ab'[n % 2]}\t{40 + n}" for n in range(4))]
    table = tmp_path / "archive" / "participants.tsv"
    table.write_text("\n".join(rows))
    store = prepare(scan_archive([tmp_path / "archive"], tmp_path / "c"), tmp_path / "s", table)
    assert store.scans["label"].value_counts().to_dict() == {"a": 2, "b": 2}
    assert sorted(store.scans["age"]) == [40, 41, 42, 43]
