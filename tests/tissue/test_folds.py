"""Folds: who is for training, validation and test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from medcl.errors import UsageError
from medcl.store import Store
from medcl.tissue.folds import Fold, fold_store, fold_task, plan_folds
from medcl.tissue.patch_sampling import labeled_patches, masked_rows
from tests.tissue.samples import settings


def test_nobody_learns_from_the_patient_that_is_tested(store: Store, tmp_path: Path) -> None:
    rows = masked_rows(store)
    folds = plan_folds(store, rows, 2, seed=0)
    patches = labeled_patches(store, rows, settings(store.folder).patches, 2, 0).write(tmp_path / "patches")
    assert sorted(fold.test for fold in folds) == sorted(set(store.scans["patient"]))
    for fold in folds:
        assert {fold.test, fold.val, *fold.train} == set(store.scans["patient"])
        one, two = (fold_task(patches, fold, budget) for budget in (1, 2))
        assert set(one[1].train) < set(two[1].train), "a smaller budget is part of a larger one"
        for task, known in (one, two):
            whose = task.store.scans["patient"]
            assert set(whose.iloc[known.val]) == {fold.val}
            assert fold.test not in set(whose.iloc[known.train]) | {fold.val}
            assert set(task.truth[known.train]) == {0, 1}
            np.testing.assert_array_equal(task.store.rows("train"), known.train)


def test_the_split_of_a_row_is_that_of_its_patient() -> None:
    fold = Fold("a", "b", ("c", "d"))
    patients = pd.Series(["a", "b", "c", "d", "elsewhere", "c"])
    assert fold.splits(patients).tolist() == ["test", "val", "train", "train", "none", "train"]
    assert fold.splits(patients, 1).tolist() == ["test", "val", "train", "none", "none", "train"]


def test_folds_depend_on_the_seed_and_not_on_pseudonyms(store: Store) -> None:
    rows = masked_rows(store)
    names = dict(zip(store.scans["patient"], "wxyz", strict=True))
    renamed = Store(store.folder, store.scans.assign(patient=store.scans["patient"].map(names)), store.record)
    folds, again = (plan_folds(one, rows, 2, seed=0) for one in (store, renamed))
    assert [(names[f.test], names[f.val], *map(names.get, f.train)) for f in folds] == [
        (f.test, f.val, *f.train) for f in again
    ]
    orders = {tuple((*f.train, f.val) for f in plan_folds(store, rows, 2, seed)) for seed in range(8)}
    assert len(orders) > 1


def test_too_few_patients_are_refused(store: Store) -> None:
    with pytest.raises(UsageError, match="4 patients with masks: 3 to learn from, one to validate on"):
        plan_folds(store, masked_rows(store), 3, seed=0)


def test_the_store_of_a_fold_links_its_arrays_and_has_splits_of_its_own(store: Store, tmp_path: Path) -> None:
    fold = plan_folds(store, masked_rows(store), 2, seed=0)[0]
    for _ in range(2):
        linked = Store.open(fold_store(store, store.scans["patient"], fold, tmp_path / "fold"))
    assert (tmp_path / "fold" / "arrays").is_symlink()
    assert set(linked.scans["patient"].iloc[linked.rows("test")]) == {fold.test}
    assert len(linked.rows("train")) == len(fold.train)
    np.testing.assert_array_equal(linked.array(0), store.array(0))
