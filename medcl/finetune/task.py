"""The classification task: which labels of a store are negative and positive, and the rows of each split."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from medcl.config import Config
from medcl.errors import UsageError
from medcl.names import SPLITS
from medcl.store import Store


class ClassConfig(Config):
    """One class of the task: its name in the report, and the labels of the store that belong to it."""

    name: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Task:
    """A binary task on a store.

    Attributes:
        store: The scans.
        names: Names of the negative and the positive class.
        truth: (scans of the store,) bool, whether the scan is in the positive class; the rows of the splits
            leave out scans that are in neither.
        patients: (scans of the store,) number of the patient.
        train: Rows of the training split that are in a class.
        val: The same of the validation split.
        test: The same of the test split.
    """

    store: Store
    names: tuple[str, str]
    truth: np.ndarray
    patients: np.ndarray
    train: np.ndarray
    val: np.ndarray
    test: np.ndarray


def make_task(store: Store, negative: ClassConfig | str, positive: ClassConfig | str) -> Task:
    """Define the task.

    Args:
        store: The scans.
        negative: The negative class; a string is the label of that name.
        positive: The positive class.

    Raises:
        UsageError: A label is not in the store or is in both classes, or a split lacks a class.
    """
    negative, positive = _class_config(negative), _class_config(positive)
    known = set(store.scans["label"].dropna())
    for config in (negative, positive):
        missing = [label for label in config.labels if label not in known]
        if missing or not config.labels:
            labels = ", ".join(sorted(known)) or "none"
            raise UsageError(f"class '{config.name}': label {missing} is not in the store (it has: {labels})")
    if both := set(negative.labels) & set(positive.labels):
        raise UsageError(f"label {sorted(both)} is in both classes")
    truth = store.scans["label"].isin(positive.labels).to_numpy()
    in_a_class = truth | store.scans["label"].isin(negative.labels).to_numpy()
    task = Task(
        store=store,
        names=(negative.name, positive.name),
        truth=truth,
        patients=pd.factorize(store.scans["patient"])[0],
        **{split: np.array([row for row in store.rows(split) if in_a_class[row]], int) for split in SPLITS},
    )
    for split in SPLITS:
        _check_split(task, split)
    return task


def _class_config(name: ClassConfig | str) -> ClassConfig:
    return ClassConfig(name=name, labels=(name,)) if isinstance(name, str) else name


def _check_split(task: Task, split: str) -> None:
    counts = np.bincount(task.truth[getattr(task, split)], minlength=2)
    for name, count in zip(task.names, counts, strict=True):
        if count == 0:
            raise UsageError(
                f"the {split} split has no '{name}' scan; add patients, so that each split has both classes"
            )
