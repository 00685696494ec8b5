"""Patients of the cohort, with labels balanced within site, sex, age and file format."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medcl.demo.modality import SCANNERS

NIFTI_EVERY = 5
"""One pair of patients in this many is written as NIfTI, the others as DICOM series."""


@dataclass(frozen=True)
class Patient:
    """One synthetic patient.

    Attributes:
        number: From 1, in the order of writing.
        seed: Random seed of the cohort.
        name: PatientID in DICOM, subject in BIDS.
        scanner: Index into `medcl.demo.modality.SCANNERS`.
        nifti: Written as NIfTI.
        abnormal: Has lesions.
        sex: `F` or `M`.
        age: In years.
    """

    number: int
    seed: int
    name: str
    scanner: int
    nifti: bool
    abnormal: bool
    sex: str
    age: int

    @property
    def label(self) -> str:
        """Class name."""
        return "abnormal" if self.abnormal else "healthy"

    @property
    def generator(self) -> np.random.Generator:
        """Random generator of this patient, who does not depend on the others."""
        return np.random.default_rng([self.seed, self.number])


def draw_patients(count: int, seed: int) -> list[Patient]:
    """Draw patients in pairs: a pair shares scanner, format, sex and age, and one of them is abnormal.

    An odd last patient is healthy.
    """
    rng = np.random.default_rng([seed, 0])
    order = rng.permutation(count) + 1
    patients = []
    for pair in range((count + 1) // 2):
        sex, age = str(rng.choice(["F", "M"])), int(rng.integers(25, 85))
        scanner, nifti = pair % len(SCANNERS), pair % NIFTI_EVERY == NIFTI_EVERY - 1
        for abnormal, index in ((False, 2 * pair), (True, 2 * pair + 1)):
            if index < count:
                number = int(order[index])
                name = f"sub-SYN{number:04d}" if nifti else f"SYN-{number:04d}"
                years = age + int(rng.integers(-3, 4))
                patients.append(Patient(number, seed, name, scanner, nifti, abnormal, sex, years))
    return sorted(patients, key=lambda patient: patient.number)
