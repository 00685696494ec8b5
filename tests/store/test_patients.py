"""What is said of the patients of a store, each with what to do."""

from __future__ import annotations

import pandas as pd

from medcl.store.patients import patient_warnings, strangers_joined
from tests.store.test_splits import cohort


def test_one_identifier_for_everybody_is_warned_of() -> None:
    scans = pd.DataFrame({"patient": ["p"] * 12, "patient_evidence": "PatientID"})
    (warning,) = patient_warnings(scans)
    assert warning.startswith("all 12 scans have one patient identifier: the split cannot be by patient")
    assert patient_warnings(scans.head(2))
    assert not patient_warnings(scans.head(1))
    assert not patient_warnings(scans.assign(patient=[f"p{n}" for n in range(12)]))
    assert patient_warnings(scans.assign(patient=["p"] * 11 + ["q"]))


def test_scans_without_a_patient_are_counted_and_the_ways_out_are_named() -> None:
    scans = pd.DataFrame({"patient": ["p", "q", "r"], "patient_evidence": ["PatientID", "unknown", "study"]})
    unknown = patient_warnings(scans)
    assert len(unknown) == 1
    assert unknown[0].startswith("2 of 3 scans have no known patient and count as 2 patients of their own")
    assert "column 'patient' of the label table" in unknown[0]
    assert "--patient-pattern" in unknown[0]


def test_scans_that_join_two_patients_are_counted() -> None:
    scans = cohort(4, 1).assign(
        patient=["p", "q", "r", "r"], patient_evidence="PatientID", shape=[[8, 8, 8]] * 4, affine=None,
        fingerprint=[1, 1, 2, 2], mask_fingerprint=0,
    )  # fmt: skip
    assert strangers_joined(scans) == 2
    assert strangers_joined(scans.assign(fingerprint=[1, 2, 3, 4])) == 0
