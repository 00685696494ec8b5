"""Who counts as one person: shared pixels, masks and unusual grids, and what is not taken for that."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medcl.store.people import MOST_SCANS, assign_people, is_unusual, unite_patients
from medcl.store.splits import assign_splits
from tests.store.test_splits import cohort

SHAPE = np.array([64, 60, 40])


def grid(origin: tuple[float, float, float], degrees: float = 0.0) -> np.ndarray:
    angle = np.radians(degrees)
    affine = np.eye(4)
    affine[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    affine[:3, 3] = origin
    return affine


OBLIQUE = grid((3, 4, 5), 7.3)


def unknown(count: int, affine: np.ndarray | None, **columns: object) -> pd.DataFrame:
    scans = cohort(count, 1).assign(patient_evidence="unknown", shape=[SHAPE.tolist()] * count)
    scans["affine"] = [None if affine is None else affine.ravel().tolist()] * count
    return scans.assign(**columns)


@pytest.mark.parametrize(
    ("affine", "unusual"),
    [
        (OBLIQUE, True),
        (grid((-41.327, 12.913, 7.71)), True),
        (grid((0, 0, 0)), False),
        (grid((0, -239, 0)), False),  # BraTS
        (grid((-90, -126, -72)), False),  # MNI
        (grid((-31.5, -29.5, -120.31)), False),  # a centered field of view, as CT has
        (grid((np.nan, 0, 0)), False),
        (np.zeros((4, 4)), False),
    ],
)
def test_unusual_grids(affine: np.ndarray, unusual: bool) -> None:
    assert is_unusual(affine, SHAPE) is unusual


@given(st.integers(4, 40), st.integers(2, 4), st.integers(0, 2**31), st.booleans())
@settings(max_examples=40, deadline=None)
def test_scans_with_one_grid_or_mask_are_never_in_two_splits(
    patients: int, together: int, seed: int, by_mask: bool
) -> None:
    scans = unknown(patients, None)
    rows = np.random.default_rng(seed).choice(patients, together, replace=False)
    if by_mask:
        scans.loc[rows, "mask_fingerprint"] = np.uint64(77)
    else:
        scans["affine"] = scans["affine"].astype(object)
        for row in rows:
            scans.at[row, "affine"] = OBLIQUE.ravel().tolist()
    assert assign_splits(scans, seed)[rows].nunique() == 1


@given(st.integers(0, 2**31), st.floats(-1e-5, 1e-5))
@settings(max_examples=20, deadline=None)
def test_an_atlas_grid_merges_nobody(seed: int, jitter: float) -> None:
    scans = unknown(25, grid((-90 + jitter, -126, -72)))
    assert len(set(assign_people(scans))) == 25
    assert assign_splits(scans, seed).nunique() == 3


def test_known_patients_are_not_merged_by_their_grid() -> None:
    assert len(set(assign_people(unknown(8, OBLIQUE, patient_evidence="PatientID")))) == 8


def test_an_unknown_scan_joins_the_one_known_patient_of_its_grid() -> None:
    scans = unknown(3, OBLIQUE)
    scans.loc[0, "patient_evidence"] = "PatientID"
    assert len(set(assign_people(scans))) == 1
    scans.loc[1, "patient_evidence"] = "PatientID"
    assert len(set(assign_people(scans))) == 3, "two known patients: the grid is that of a protocol"


def test_a_grid_of_very_many_is_a_template() -> None:
    assert len(set(assign_people(unknown(MOST_SCANS, OBLIQUE)))) == 1
    assert len(set(assign_people(unknown(MOST_SCANS + 1, OBLIQUE)))) == MOST_SCANS + 1


def test_a_mask_of_three_known_patients_is_a_template() -> None:
    for count, people in ((2, 1), (3, 3)):
        scans = unknown(count, None, patient_evidence="BIDS", mask_fingerprint=np.uint64(5))
        assert len(set(assign_people(scans))) == people


def test_one_person_has_one_name() -> None:
    scans = unknown(6, None)
    scans.loc[[1, 4], "fingerprint"] = scans.loc[0, "fingerprint"]
    scans.loc[[2, 3], "mask_fingerprint"] = np.uint64(77)
    united = unite_patients(scans)
    assert list(united) == [scans["patient"][row] for row in (0, 0, 2, 2, 0, 5)]
