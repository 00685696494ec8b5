from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medcl.store.splits import assign_splits, mark_duplicates


def cohort(patients: int, scans_each: int = 2, seed: int = 0) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    label = generator.choice(["healthy", "abnormal"], patients)
    rows = [(f"p{p}", label[p], f"site{p % 2}") for p in range(patients) for _ in range(scans_each)]
    scans = pd.DataFrame(rows, columns=["patient", "label", "site"])
    return scans.assign(
        scan=[f"s{i}" for i in range(len(scans))],
        fingerprint=np.arange(len(scans), dtype=np.uint64),
        mask_fingerprint=np.uint64(0),
        patient_evidence="PatientID",
        shape=[[8, 8, 8]] * len(scans),
        affine=None,
        source_split=None,
        duplicate="",
    )


@given(st.integers(3, 80), st.integers(1, 3), st.integers(0, 5))
@settings(max_examples=40, deadline=None)
def test_no_patient_is_ever_in_two_splits(patients: int, scans_each: int, seed: int) -> None:
    scans = cohort(patients, scans_each, seed)
    split = assign_splits(scans, seed)
    assert (split.groupby(scans["patient"]).nunique() == 1).all()
    assert set(split) >= {"train", "test"}


def test_splits_are_stratified_and_of_the_stated_size() -> None:
    scans = cohort(400)
    split = assign_splits(scans, 0)
    shares = split.value_counts(normalize=True)
    assert abs(shares["test"] - 0.25) < 0.02
    assert abs(shares["val"] - 0.15) < 0.02
    prevalence = (scans["label"] == "abnormal").groupby(split).mean()
    assert prevalence.max() - prevalence.min() < 0.06


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("rare", [3, 10])
def test_every_split_has_every_class_however_rare(rare: int, seed: int) -> None:
    scans = cohort(200, 1)
    scans["label"] = ["abnormal"] * rare + ["normal"] * (200 - rare)
    split = assign_splits(scans, seed)
    assert set(split[scans["label"] == "abnormal"]) == {"train", "val", "test"}


def test_patients_who_share_a_copy_are_one_person() -> None:
    scans = cohort(60, 2)
    twins = scans.index[scans["patient"].isin(["p3", "p41"])]
    scans.loc[twins[[0, 2]], "fingerprint"] = np.uint64(0)
    scans.loc[0, "fingerprint"] = np.uint64(999)
    scans["duplicate"] = mark_duplicates(scans.assign(label="healthy", mask_from=""))
    for seed in range(6):
        split = assign_splits(scans, seed)[twins]
        assert split[split != "excluded"].nunique() == 1


def test_pseudonyms_change_no_split() -> None:
    scans = cohort(40)
    renamed = scans.assign(patient=scans["patient"].map(lambda name: f"x{hash(name) % 10**9}-{name}"))
    assert assign_splits(scans, 3).equals(assign_splits(renamed, 3))


def test_another_seed_deals_otherwise() -> None:
    scans = cohort(40)
    assert not assign_splits(scans, 0).equals(assign_splits(scans, 1))


def copies(rows: list[tuple[int, str | None, str | None]]) -> pd.DataFrame:
    scans = pd.DataFrame(rows, columns=["fingerprint", "label", "source_split"])
    return scans.assign(scan=[f"s{i}" for i in range(len(scans))], mask_from="")


def test_a_copy_in_training_gives_way_to_the_one_in_the_test_set() -> None:
    marks = mark_duplicates(copies([(7, "a", "train"), (7, "a", "test"), (8, "a", "train")]))
    assert marks.tolist() == ["s1", "", ""]


def test_copies_inside_a_given_test_set_stay() -> None:
    marks = mark_duplicates(copies([(7, "a", "test"), (7, "a", "test"), (7, "a", "val")]))
    assert marks.tolist() == ["", "", "s0"]


def test_contradicting_labels_set_all_copies_aside() -> None:
    marks = mark_duplicates(copies([(7, "benign", None), (7, "malignant", None), (9, "benign", None)]))
    assert marks.tolist() == ["conflict", "conflict", ""]


def test_copies_without_given_splits_leave_one() -> None:
    marks = mark_duplicates(copies([(7, None, None), (7, "a", None), (7, None, None)]))
    assert marks.tolist() == ["s1", "", "s1"], "the labeled one stays"


def test_of_equal_copies_one_with_a_mask_stays() -> None:
    scans = copies([(7, "a", None), (7, "a", None)]).assign(mask_from=["", "boxes"])
    assert mark_duplicates(scans).tolist() == ["s1", ""]
    given = copies([(7, "a", "test"), (7, "a", "test")]).assign(mask_from=["", "boxes"])
    assert mark_duplicates(given).tolist() == ["", ""], "those of a given test set stay"
