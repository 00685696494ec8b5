"""The synthetic cohort agrees with its truth, is marked synthetic and the same every time."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pydicom
import pytest

from medcl.demo.cohort import describe, write_cohort
from medcl.errors import UsageError

PATIENTS = 20


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cohort(tmp_path_factory.mktemp("cohort") / "demo", patients=PATIENTS, seed=3)


@pytest.fixture(scope="module")
def slices(cohort: Path) -> list[pydicom.FileDataset]:
    """Every readable axial slice of the archive."""
    read = []
    for path in sorted((cohort / "archive").rglob("*")):
        if path.is_file() and path.read_bytes()[128:132] == b"DICM":
            data = pydicom.dcmread(path)
            if data.SeriesDescription == "SYNTHETIC axial":
                read.append(data)
    return read


@pytest.fixture(scope="module")
def volumes(cohort: Path, slices: list[pydicom.FileDataset]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """HU and RAS+ affine of each patient, read without medcl; patients with broken files are left out."""
    by_patient = defaultdict(list)
    for data in slices:
        by_patient[str(data.PatientID)].append(data)
    volumes = {}
    for name, group in by_patient.items():
        try:
            volumes[name] = _volume(group)
        except (ValueError, AttributeError):
            continue
    for path in sorted((cohort / "archive").glob("sub-*/ct/*.nii.gz")):
        image = nib.load(path)
        volumes[path.name.split("_")[0]] = (np.asarray(image.dataobj), image.affine)
    return volumes


def _volume(group: list[pydicom.FileDataset]) -> tuple[np.ndarray, np.ndarray]:
    group.sort(key=lambda data: float(data.ImagePositionPatient[2]))
    array = np.stack(
        [data.pixel_array.T * data.RescaleSlope + data.RescaleIntercept for data in group], axis=-1
    )
    first, last = (np.array(group[i].ImagePositionPatient, float) for i in (0, -1))
    row, column = np.array(group[0].ImageOrientationPatient, float).reshape(2, 3)
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = row * group[0].PixelSpacing[1], column * group[0].PixelSpacing[0]
    affine[:3, 2], affine[:3, 3] = (last - first) / (len(group) - 1), first
    return array, np.diag([-1, -1, 1, 1]) @ affine


def _hashes(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    one, two, other = (
        _hashes(write_cohort(tmp_path / name, 4, seed)) for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert one == two
    assert not set(one.values()) - {one["archive/README.txt"], one["archive/empty.dcm"]} & set(other.values())


def test_every_slice_is_marked_synthetic_and_complete(slices: list[pydicom.FileDataset]) -> None:
    assert len(slices) > 150
    for data in slices:
        assert str(data.PatientName).startswith("SYNTHETIC^")
        assert data.ImageComments.startswith("SYNTHETIC")
        assert data.PatientID.startswith("SYN-")
        assert data.file_meta.TransferSyntaxUID.is_little_endian
        assert data.BodyPartExamined == "ABDOMEN"
    assert len({str(data.Manufacturer) for data in slices}) == 3
    assert len({str(data.ConvolutionKernel) for data in slices}) == 3


def test_slice_order_and_orientation_vary(slices: list[pydicom.FileDataset]) -> None:
    slopes = {}
    for name in {str(data.PatientID) for data in slices}:
        own = [data for data in slices if data.PatientID == name]
        own.sort(key=lambda data: int(data.InstanceNumber))
        slopes[name] = np.sign(own[-1].ImagePositionPatient[2] - own[0].ImagePositionPatient[2])
    tilted = {str(data.PatientID) for data in slices if abs(float(data.ImageOrientationPatient[5])) > 0.01}
    assert set(slopes.values()) <= {-1.0, 1.0}
    assert 0 < len(tilted) < len(slopes)


def test_lesions_are_where_the_truth_says_and_darker(
    cohort: Path, volumes: dict[str, tuple[np.ndarray, np.ndarray]]
) -> None:
    truth = pd.read_csv(cohort / "truth" / "lesions.csv")
    seen = []
    for row in truth[truth["patient"].isin(volumes)].itertuples():
        array, affine = volumes[row.patient]
        index = np.indices(array.shape).reshape(3, -1)
        places = affine[:3, :3] @ index + affine[:3, 3:]
        distance = np.linalg.norm(places - np.array([[row.x_mm], [row.y_mm], [row.z_mm]]), axis=0)
        values = array.reshape(-1)
        inside = values[distance < max(row.diameter_mm / 4, 3.2)]
        around = values[(distance > row.diameter_mm * 0.75) & (distance < row.diameter_mm * 1.1)]
        seen.append((inside.mean() - np.median(around), row.contrast_hu))
    difference, stated = np.array(seen).T
    assert len(seen) >= 15
    assert np.median(difference / stated) == pytest.approx(1.0, abs=0.25)
    assert (difference < -10).mean() > 0.9


def test_masks_agree_with_the_table(cohort: Path) -> None:
    truth = pd.read_csv(cohort / "truth" / "lesions.csv")
    labels = pd.read_csv(cohort / "labels.csv").set_index("patient")["label"]
    assert set(truth["patient"]) == set(labels.index[labels == "abnormal"])
    for name, rows in truth.groupby("patient"):
        mask = nib.load(cohort / "truth" / f"{name}_lesions.nii.gz")
        values = np.asarray(mask.dataobj)
        for row in rows.itertuples():
            voxels = np.argwhere(values == row.lesion)
            if row.diameter_mm > 10:
                center = nib.affines.apply_affine(mask.affine, voxels).mean(axis=0)
                assert np.abs(center - (row.x_mm, row.y_mm, row.z_mm)).max() < 3
                volume = len(voxels) * abs(np.linalg.det(mask.affine[:3, :3]))
                assert 0.4 < volume / (np.pi / 6 * row.diameter_mm**3) < 1.7


def test_defects_are_there(cohort: Path, slices: list[pydicom.FileDataset]) -> None:
    archive = cohort / "archive"
    assert (archive / "empty.dcm").stat().st_size == 0
    assert "none exists" in (archive / "README.txt").read_text()
    uids = [str(data.SOPInstanceUID) for data in slices]
    assert len(uids) - len(set(uids)) == 1
    broken = [data for data in slices if len(data.get("PixelData", b"")) < data.Rows * data.Columns * 2]
    assert len(broken) == 1
    numbers = pd.DataFrame([(str(d.PatientID), int(d.InstanceNumber)) for d in slices], columns=["who", "n"])
    gaps = numbers.groupby("who")["n"].agg(lambda n: n.max() - n.nunique())
    assert (gaps == 1).sum() == 1
    kinds = [pydicom.dcmread(path).SeriesDescription for path in _dicom_files(archive)]
    assert kinds.count("SYNTHETIC scout") == 1
    assert kinds.count("SYNTHETIC screenshot") == 1


def _dicom_files(archive: Path) -> list[Path]:
    return [path for path in archive.rglob("*") if path.is_file() and path.read_bytes()[128:132] == b"DICM"]


def test_wrong_use_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("x")
    for folder, patients in ((tmp_path / "taken", 4), (tmp_path / "new", 1)):
        with pytest.raises(UsageError) as caught:
            write_cohort(folder, patients)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "new").exists()


def test_the_card_gets_its_numbers() -> None:
    assert "patients: 120, of whom 60 abnormal" in describe()


def test_the_liver_lies_on_the_right(volumes: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    for array, affine in volumes.values():
        places = affine[:3, :3] @ np.argwhere((array > 30) & (array < 200)).T + affine[:3, 3:]
        inside = places[:, (np.abs(places[0]) < 90) & (places[1] > -20)]
        assert inside[0].mean() > 8
