"""Who teaches, who validates, who is tested: each patient in turn is the one that nobody has seen."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from medcl.errors import UsageError
from medcl.files import write_table
from medcl.finetune import Task
from medcl.finetune.budgets import Labeled
from medcl.store import Store
from medcl.tissue.patch_sampling import CLASSES


@dataclass(frozen=True)
class Fold:
    """One patient to test on, one to validate on, and the others, of whom the first few have a mask."""

    test: str
    val: str
    train: tuple[str, ...]

    def part(self, patients: pd.Series, budget: int | None = None) -> pd.Series:
        """Return the split of each row by its patient: with a budget, `train` is the patients with a mask."""
        of = dict.fromkeys(self.train, "none") | dict.fromkeys(self.train[:budget], "train")
        return patients.map(of | {self.val: "val", self.test: "test"}).fillna("none")


def plan_folds(store: Store, rows: np.ndarray, most: int, seed: int) -> list[Fold]:
    """Return a fold for each patient of `rows`; the order of the others is drawn anew, keyed by `seed`.

    Patients are counted in the order of the store, so that pseudonyms change nothing.

    Raises:
        UsageError: fewer patients than one to test on, one to validate on and `most` to learn from.
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
    """Return a folder with the same arrays as `store`, split for one fold.

    Args:
        patients: whose each row is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("arrays", "scans.parquet", "store.json"):
        if not (folder / name).exists():
            (folder / name).symlink_to(os.path.relpath(store.folder / name, folder))
    splits = store.scans[["scan", "patient", "label"]].assign(split=fold.part(patients).to_numpy())
    write_table(splits, folder / "splits.parquet")
    return folder


def task_of(store: Store, fold: Fold, budget: int) -> tuple[Task, Labeled]:
    """Return the task of telling abnormal patches from healthy ones, and the patches with known labels:
    those of the first `budget` patients to train on, and of the validation patient.

    Args:
        store: labeled patches.
        fold: whose patches are which.
        budget: patients with a mask.
    """
    split = fold.part(store.scans["patient"], budget)
    own = Store(store.folder, store.scans.assign(split=split), store.record)
    known = Labeled(own.rows("train"), own.rows("val"))
    task = Task(
        store=own,
        names=CLASSES,
        truth=(own.scans["label"] == CLASSES[1]).to_numpy(int),
        patients=pd.factorize(own.scans["patient"])[0],
        train=known.train,
        val=known.val,
        test=np.zeros(0, int),
    )
    return task, known
