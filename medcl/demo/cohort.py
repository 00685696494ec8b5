"""The synthetic cohort: an archive with labels, lesion masks and a few defective files."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from medcl.demo import dicom
from medcl.demo.anatomy import Body, draw_body
from medcl.demo.modality import LESIONS_ARE, MODALITY, SCANNERS, UNIT
from medcl.demo.patients import Patient, draw_patients
from medcl.demo.scanner import Grid, acquire, draw_grid, lesion_mask
from medcl.errors import UsageError
from medcl.files import atomic, new_folder
from medcl.progress import track

README = """SYNTHETIC DATA. Every patient in this folder was computed by medcl; none exists.
Not for diagnosis, teaching of anatomy or training of clinical models.
"""
DEFECTS = ("missing slice", "duplicate slice", "truncated file", "scout", "screenshot")
"""Each is in one DICOM patient, in this order; see `_write_series`."""


def write_cohort(folder: Path, patients: int = 120, seed: int = 0) -> Path:
    """Write a cohort of `patients` synthetic patients and return `folder`.

    The folder has `archive/` (DICOM series, NIfTI volumes and defective files), `labels.csv` (patient,
    label, sex, age, site, modality) and `truth/` (`lesions.csv` in RAS+ millimeters, and a mask per patient
    with lesions). The same count and seed give the same bytes.

    Raises:
        UsageError: fewer than two patients, or `folder` is not empty.
    """
    if patients < 2:
        raise UsageError(
            f"a cohort of {patients}: at least two patients are needed, one healthy, one abnormal"
        )
    new_folder(folder, "cohort")
    cohort = draw_patients(patients, seed)
    defects = dict(zip([patient.number for patient in cohort if not patient.nifti], DEFECTS, strict=False))
    with atomic(folder) as temporary:
        (temporary / "truth").mkdir(parents=True)
        (temporary / "archive").mkdir()
        lesions: list[dict[str, object]] = []
        for patient in track(cohort, "synthetic patients", unit="patient"):
            body = _write_patient(patient, temporary, defects.get(patient.number))
            lesions += _lesion_rows(patient, body)
        _write_other_files(temporary / "archive")
        _write_labels(cohort, temporary / "labels.csv")
        pd.DataFrame(lesions).to_csv(temporary / "truth" / "lesions.csv", index=False)
    return folder


def describe(patients: int = 120, seed: int = 0) -> str:
    """Return the figures of the cohort's data card, in Markdown."""
    cohort = draw_patients(patients, seed)
    bodies = [draw_body(patient.generator, patient.abnormal) for patient in cohort]
    lesions = [lesion for body in bodies for lesion in body.lesions]
    diameters = [lesion.diameter_mm for lesion in lesions]
    contrasts = [abs(lesion.contrast) for lesion in lesions]
    sites = pd.Series([SCANNERS[patient.scanner].site for patient in cohort]).value_counts().sort_index()
    return "\n".join(
        [
            f"- patients: {len(cohort)}, of whom {sum(patient.abnormal for patient in cohort)} abnormal",
            f"- written as NIfTI: {sum(patient.nifti for patient in cohort)}, the others as DICOM series",
            "- sites: " + ", ".join(f"{site} {count}" for site, count in sites.items()),
            f"- lesions: {len(lesions)}, {min(diameters):.0f} to {max(diameters):.0f} mm across, "
            f"{min(contrasts):.0f} to {max(contrasts):.0f} {UNIT} {LESIONS_ARE} than the liver",
            "- noise: " + ", ".join(f"{s.site} {s.noise:.0f} {UNIT} ({s.kernel})" for s in SCANNERS),
        ]
    )


def _write_patient(patient: Patient, folder: Path, defect: str | None) -> Body:
    rng, scanner = patient.generator, SCANNERS[patient.scanner]
    body = draw_body(rng, patient.abnormal)
    grid = draw_grid(rng, scanner)
    values = acquire(rng, body, grid, scanner)
    if body.lesions:
        _write_nifti(
            lesion_mask(body, grid), grid.affine, folder / "truth" / f"{patient.name}_lesions.nii.gz"
        )
    if patient.nifti:
        subject = folder / "archive" / patient.name / MODALITY.lower()
        subject.mkdir(parents=True)
        _write_nifti(
            *_flipped(values, grid, int(rng.integers(0, 3))),
            subject / f"{patient.name}_{MODALITY.lower()}.nii.gz",
        )
    else:
        _write_series(patient, folder / "archive" / scanner.site.lower(), grid, values, rng, defect)
    return body


def _flipped(values: np.ndarray, grid: Grid, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the same volume with one axis stored in reverse, as converters differ."""
    affine = grid.affine.copy()
    affine[:3, 3] += affine[:3, axis] * (values.shape[axis] - 1)
    affine[:3, axis] *= -1
    return np.flip(values, axis), affine


def _write_nifti(array: np.ndarray, affine: np.ndarray, path: Path) -> None:
    image = nib.Nifti1Image(np.ascontiguousarray(array), affine)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = b"SYNTHETIC medcl, no patient exists"
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=1)
    nib.save(image, path)


def _write_series(
    patient: Patient, site: Path, grid: Grid, values: np.ndarray, rng: np.random.Generator, defect: str | None
) -> None:
    scanner = SCANNERS[patient.scanner]
    series = site / f"{rng.integers(16**8):08x}"
    series.mkdir(parents=True)
    suffix = ("", ".dcm", ".IMA")[patient.scanner]
    names = [f"{name:08x}{suffix}" for name in rng.choice(16**8, values.shape[2] + 2, replace=False)]
    for name, data in zip(names, dicom.series(patient, scanner, grid, values), strict=False):
        dicom.save(data, series / name)
    if defect == "scout":
        dicom.save(dicom.scout(patient, scanner, values), series / names[-1])
    elif defect == "screenshot":
        dicom.save(dicom.screenshot(patient, scanner, values), series / names[-1])
    elif defect is not None:
        _spoil_slice(series, names[values.shape[2] // 2 - 3], names[-1], defect)


def _spoil_slice(series: Path, name: str, spare: str, defect: str) -> None:
    """Remove, duplicate or truncate one slice, as faulty transfers do."""
    whole = (series / name).read_bytes()
    if defect == "missing slice":
        (series / name).unlink()
    elif defect == "duplicate slice":
        (series / spare).write_bytes(whole)
    else:
        (series / name).write_bytes(whole[: len(whole) // 2])


def _write_other_files(archive: Path) -> None:
    (archive / "README.txt").write_text(README, encoding="utf-8")
    (archive / "empty.dcm").write_bytes(b"")


def _write_labels(cohort: list[Patient], path: Path) -> None:
    """Name patients by PatientID or BIDS subject; state the modality, which NIfTI does not record."""
    table = pd.DataFrame(
        {
            "patient": [patient.name for patient in cohort],
            "label": [patient.label for patient in cohort],
            "sex": [patient.sex for patient in cohort],
            "age": [patient.age for patient in cohort],
            "site": [SCANNERS[patient.scanner].site for patient in cohort],
            "modality": MODALITY,
        }
    )
    table.to_csv(path, index=False)


def _lesion_rows(patient: Patient, body: Body) -> list[dict[str, object]]:
    return [
        {
            "patient": patient.name,
            "lesion": number,
            **dict(zip(("x_mm", "y_mm", "z_mm"), np.round(lesion.center, 3), strict=True)),
            "diameter_mm": round(lesion.diameter_mm, 2),
            f"contrast_{UNIT.lower()}": round(lesion.contrast, 1),
        }
        for number, lesion in enumerate(body.lesions, start=1)
    ]
