"""Who is in the cohort: labels balanced within site, sex, age and file format, so that none tells them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medcl.demo.scanner import SCANNERS

NIFTI_EVERY = 5
"""One pair of patients in this many is kept as NIfTI, the others as DICOM series."""


@dataclass(frozen=True)
class Patient:
    """One patient who does not exist.

    Attributes:
        number: 1 upwards, in the order of writing.
        seed: of the cohort.
        name: PatientID in DICOM, BIDS subject in NIfTI.
        scanner: index into `medcl.demo.scanner.SCANNERS`.
        nifti: kept as NIfTI.
        abnormal: has lesions.
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
        return "abnormal" if self.abnormal else "healthy"

    @property
    def generator(self) -> np.random.Generator:
        """A generator of the patient's own: nothing about one patient depends on another."""
        return np.random.default_rng([self.seed, self.number])


def draw_patients(count: int, seed: int) -> list[Patient]:
    """Draw patients two by two: a pair shares scanner, format, sex and age, and one of them is abnormal.

    An odd last patient is healthy.
    """
    rng = np.random.default_rng([seed, 0])
    order = rng.permutation(count) + 1
    patients = []
    for pair in range((count + 1) // 2):
        sex, age = str(rng.choice(["F", "M"])), int(rng.integers(25, 85))
        scanner, nifti = pair % len(SCANNERS), pair % NIFTI_EVERY == NIFTI_EVERY - 1
        for abnormal, place in ((False, 2 * pair), (True, 2 * pair + 1)):
            if place < count:
                number = int(order[place])
                name = f"sub-SYN{number:04d}" if nifti else f"SYN-{number:04d}"
                years = age + int(rng.integers(-3, 4))
                patients.append(Patient(number, seed, name, scanner, nifti, abnormal, sex, years))
    return sorted(patients, key=lambda patient: patient.number)
