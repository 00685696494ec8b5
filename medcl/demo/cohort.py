"""The embedded cohort: synthetic patients written as an archive with labels, truth and a few broken files."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from medcl.demo import dicom
from medcl.demo.anatomy import Body, draw_body
from medcl.demo.patients import Patient, draw_patients
from medcl.demo.scanner import SCANNERS, Grid, acquire, draw_grid, lesion_mask
from medcl.errors import UsageError
from medcl.files import atomic, new_folder
from medcl.progress import track

README = """SYNTHETIC DATA. Every patient in this folder was computed by medcl; none exists.
Not for diagnosis, teaching of anatomy or training of clinical models.
"""
DEFECTS = ("missing slice", "duplicate slice", "truncated file", "scout", "screenshot")
"""One DICOM patient each, in this order, has it; see `_spoil`."""


def write_cohort(folder: Path, patients: int = 120, seed: int = 0) -> Path:
    """Write a cohort of `patients` synthetic patients and return `folder`.

    The folder holds `archive/` (DICOM series, NIfTI volumes, and files with defects), `labels.csv` (patient,
    label, sex, age, site) and `truth/` (`lesions.csv` in RAS+ millimeters, and a mask a patient with
    lesions). The same count and seed give the same bytes.

    Raises:
        UsageError: fewer than two patients, or `folder` already holds something.
    """
    if patients < 2:
        raise UsageError(
            f"a cohort of {patients}: at least two patients are needed, one healthy, one abnormal"
        )
    new_folder(folder, "cohort")
    drawn = draw_patients(patients, seed)
    defects = dict(zip([who.number for who in drawn if not who.nifti], DEFECTS, strict=False))
    with atomic(folder) as temporary:
        (temporary / "truth").mkdir(parents=True)
        (temporary / "archive").mkdir()
        lesions: list[dict[str, object]] = []
        for who in track(drawn, "synthetic patients", unit="patient"):
            body = _write_patient(who, temporary, defects.get(who.number))
            lesions += _lesion_rows(who, body)
        _write_strays(temporary / "archive")
        _write_labels(drawn, temporary / "labels.csv")
        pd.DataFrame(lesions).to_csv(temporary / "truth" / "lesions.csv", index=False)
    return folder


def describe(patients: int = 120, seed: int = 0) -> str:
    """Return the numbers of the cohort for its data card, in Markdown."""
    drawn = draw_patients(patients, seed)
    bodies = [draw_body(who.generator, who.abnormal) for who in drawn]
    found = [lesion for body in bodies for lesion in body.lesions]
    diameters = [lesion.diameter_mm for lesion in found]
    contrasts = [-lesion.contrast_hu for lesion in found]
    sites = pd.Series([SCANNERS[who.scanner].site for who in drawn]).value_counts().sort_index()
    return "\n".join(
        [
            f"- patients: {len(drawn)}, of whom {sum(who.abnormal for who in drawn)} abnormal",
            f"- kept as NIfTI: {sum(who.nifti for who in drawn)}, the others as DICOM series",
            "- sites: " + ", ".join(f"{site} {count}" for site, count in sites.items()),
            f"- lesions: {len(found)}, {min(diameters):.0f} to {max(diameters):.0f} mm across, "
            f"{min(contrasts):.0f} to {max(contrasts):.0f} HU darker than the liver",
            "- noise: " + ", ".join(f"{s.site} {s.noise_hu:.0f} HU ({s.kernel})" for s in SCANNERS),
        ]
    )


def _write_patient(who: Patient, folder: Path, defect: str | None) -> Body:
    rng, scanner = who.generator, SCANNERS[who.scanner]
    body = draw_body(rng, who.abnormal)
    grid = draw_grid(rng, scanner)
    hu = acquire(rng, body, grid, scanner)
    if body.lesions:
        _write_nifti(lesion_mask(body, grid), grid.affine, folder / "truth" / f"{who.name}_lesions.nii.gz")
    if who.nifti:
        place = folder / "archive" / who.name / "ct"
        place.mkdir(parents=True)
        _write_nifti(*_flipped(hu, grid, int(rng.integers(0, 3))), place / f"{who.name}_ct.nii.gz")
    else:
        _write_series(who, folder / "archive" / scanner.site.lower(), grid, hu, rng, defect)
    return body


def _flipped(hu: np.ndarray, grid: Grid, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the same volume with one axis stored the other way round, as converters differ."""
    affine = grid.affine.copy()
    affine[:3, 3] += affine[:3, axis] * (hu.shape[axis] - 1)
    affine[:3, axis] *= -1
    return np.flip(hu, axis), affine


def _write_nifti(array: np.ndarray, affine: np.ndarray, path: Path) -> None:
    image = nib.Nifti1Image(np.ascontiguousarray(array), affine)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = b"SYNTHETIC medcl, no patient exists"
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=1)
    nib.save(image, path)


def _write_series(
    who: Patient, site: Path, grid: Grid, hu: np.ndarray, rng: np.random.Generator, defect: str | None
) -> None:
    scanner = SCANNERS[who.scanner]
    place = site / f"{rng.integers(16**8):08x}"
    place.mkdir(parents=True)
    suffix = ("", ".dcm", ".IMA")[who.scanner]
    names = [f"{name:08x}{suffix}" for name in rng.choice(16**8, hu.shape[2] + 2, replace=False)]
    for name, data in zip(names, dicom.series(who, scanner, grid, hu), strict=False):
        dicom.save(data, place / name)
    if defect == "scout":
        dicom.save(dicom.scout(who, scanner, hu), place / names[-1])
    elif defect == "screenshot":
        dicom.save(dicom.screenshot(who, scanner, hu), place / names[-1])
    elif defect is not None:
        _spoil(place, names[hu.shape[2] // 2 - 3], names[-1], defect)


def _spoil(place: Path, name: str, spare: str, defect: str) -> None:
    """Take away, double or cut off one slice, as transfers do."""
    whole = (place / name).read_bytes()
    if defect == "missing slice":
        (place / name).unlink()
    elif defect == "duplicate slice":
        (place / spare).write_bytes(whole)
    else:
        (place / name).write_bytes(whole[: len(whole) // 2])


def _write_strays(archive: Path) -> None:
    (archive / "README.txt").write_text(README, encoding="utf-8")
    (archive / "empty.dcm").write_bytes(b"")


def _write_labels(drawn: list[Patient], path: Path) -> None:
    """Name patients as users do: by PatientID, or by the BIDS subject; NIfTI does not say that it is CT."""
    table = pd.DataFrame(
        {
            "patient": [who.name for who in drawn],
            "label": [who.label for who in drawn],
            "sex": [who.sex for who in drawn],
            "age": [who.age for who in drawn],
            "site": [SCANNERS[who.scanner].site for who in drawn],
            "modality": "CT",
        }
    )
    table.to_csv(path, index=False)


def _lesion_rows(who: Patient, body: Body) -> list[dict[str, object]]:
    return [
        {
            "patient": who.name,
            "lesion": number,
            **dict(zip(("x_mm", "y_mm", "z_mm"), np.round(lesion.center, 3), strict=True)),
            "diameter_mm": round(lesion.diameter_mm, 2),
            "contrast_hu": round(lesion.contrast_hu, 1),
        }
        for number, lesion in enumerate(body.lesions, start=1)
    ]
