"""The question that is asked of a store: which labels are healthy, which abnormal, who is in which split."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from medcl.config import Config
from medcl.errors import UsageError
from medcl.store import Store


class ClassConfig(Config):
    """One side of the question: its name in the report, and the store's labels that belong to it."""

    name: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Task:
    """A binary task on a store.

    Attributes:
        store: the scans.
        names: of the negative and the positive class.
        truth: a value a row of the store: 0, 1, or -1 where the scan has no label or another one.
        patients: a patient number a row of the store.
        train, val, test: labeled rows of each split.
    """

    store: Store
    names: tuple[str, str]
    truth: np.ndarray
    patients: np.ndarray
    train: np.ndarray
    val: np.ndarray
    test: np.ndarray


def make_task(store: Store, negative: ClassConfig | str, positive: ClassConfig | str) -> Task:
    """Set up the task; a side given as a word is the label of that name.

    Raises:
        UsageError: a label that the store does not have or that stands on both sides, or a split without
            one of the classes.
    """
    negative, positive = _as_class(negative), _as_class(positive)
    known = set(store.scans["label"].dropna())
    for side in (negative, positive):
        missing = [label for label in side.labels if label not in known]
        if missing or not side.labels:
            there = ", ".join(sorted(known)) or "none"
            raise UsageError(f"class '{side.name}': label {missing} is not in the store (it has: {there})")
    if both := set(negative.labels) & set(positive.labels):
        raise UsageError(f"label {sorted(both)} stands in both classes")
    sides = dict.fromkeys(negative.labels, 0) | dict.fromkeys(positive.labels, 1)
    truth = store.scans["label"].map(sides).fillna(-1).astype(int).to_numpy()
    task = Task(
        store=store,
        names=(negative.name, positive.name),
        truth=truth,
        patients=pd.factorize(store.scans["patient"])[0],
        **{
            split: np.array([r for r in store.rows(split) if truth[r] >= 0], int)
            for split in ("train", "val", "test")
        },
    )
    for split in ("train", "val", "test"):
        _check_split(task, split)
    return task


def _as_class(side: ClassConfig | str) -> ClassConfig:
    return ClassConfig(name=side, labels=(side,)) if isinstance(side, str) else side


def _check_split(task: Task, split: str) -> None:
    found = np.bincount(task.truth[getattr(task, split)], minlength=2)
    for name, count in zip(task.names, found, strict=True):
        if count == 0:
            raise UsageError(
                f"the {split} split has no '{name}' scan; each split needs one of each class: add patients"
            )
