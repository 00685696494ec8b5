"""Folds of a tissue study: each patient is the test patient once, another one is for validation."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from medcl.errors import UsageError
from medcl.files import write_table
from medcl.finetune import LabeledScans, Task
from medcl.store import Store
from medcl.tissue.patch_sampling import CLASSES


@dataclass(frozen=True)
class Fold:
    """One patient to test on, one to validate on, and the others, of whom the first few have a mask."""

    test: str
    val: str
    train: tuple[str, ...]

    def splits(self, patients: pd.Series, budget: int | None = None) -> pd.Series:
        """Return the split of each row by its patient.

        With a budget, `train` is the first `budget` training patients; the others get `none`.
        """
        split = dict.fromkeys(self.train, "none") | dict.fromkeys(self.train[:budget], "train")
        return patients.map(split | {self.val: "val", self.test: "test"}).fillna("none")


def plan_folds(store: Store, rows: np.ndarray, most: int, seed: int) -> list[Fold]:
    """Return a fold for each patient of `rows`; the order of the others is random, keyed by `seed`.

    Patients are numbered in the order of the store, so that pseudonyms change nothing.

    Args:
        store: The scans.
        rows: Rows of the scans with a mask.
        most: The largest number of patients to learn from.
        seed: Random seed.

    Raises:
        UsageError: There are too few patients to test on, to validate on and to learn from.
    """
    patients = list(dict.fromkeys(store.scans["patient"].iloc[rows]))
    if len(patients) < most + 2:
        raise UsageError(
            f"{len(patients)} patients with masks: {most} to learn from, one to validate on and one to test "
            "on are needed; lower the budgets or add patients"
        )
    folds = []
    for number, test in enumerate(patients):
        others = [patient for patient in patients if patient != test]
        val, *train = np.random.default_rng([seed, number]).permutation(others).tolist()
        folds.append(Fold(test, val, tuple(train)))
    return folds


def fold_store(store: Store, patients: pd.Series, fold: Fold, folder: Path) -> Path:
    """Write a store with the arrays of `store` (linked) and the splits of one fold; return its folder.

    Args:
        store: The scans.
        patients: Patient of each row.
        fold: Fold that the splits are of.
        folder: Folder to write.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("arrays", "scans.arrow", "store.json"):
        if not (folder / name).exists():
            (folder / name).symlink_to(os.path.relpath(store.folder / name, folder))
    splits = store.scans[["scan", "patient", "label"]].assign(split=fold.splits(patients).to_numpy())
    write_table(splits, folder / "splits.parquet")
    return folder


def fold_task(store: Store, fold: Fold, budget: int) -> tuple[Task, LabeledScans]:
    """Return the task of classifying abnormal against healthy patches, and the labeled patches.

    Those are the patches of the first `budget` patients to train on, and of the validation patient.

    Args:
        store: Labeled patches.
        fold: Which patients are for training, validation and test.
        budget: Patients with a mask to learn from.
    """
    splits = fold.splits(store.scans["patient"], budget)
    fold_patches = Store(store.folder, store.scans.assign(split=splits), store.record)
    labeled = LabeledScans(fold_patches.rows("train"), fold_patches.rows("val"))
    task = Task(
        store=fold_patches,
        names=CLASSES,
        truth=(fold_patches.scans["label"] == CLASSES[1]).to_numpy(bool),
        patients=pd.factorize(fold_patches.scans["patient"])[0],
        train=labeled.train,
        val=labeled.val,
        test=np.zeros(0, int),
    )
    return task, labeled
