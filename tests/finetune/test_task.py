"""The task: which scans are positive, and which are in neither class."""

from __future__ import annotations

import numpy as np

from medcl.finetune import ClassConfig, make_task
from medcl.store import Store


def test_scans_in_neither_class_are_in_no_split_and_the_truth_of_the_others_is_boolean(store: Store) -> None:
    numbers = np.arange(len(store))
    labels = np.select([numbers % 5 == 0, numbers % 5 == 1, numbers % 5 == 2], ["a", "b", "c"], "d")
    scans = store.scans.assign(label=np.where(numbers % 7 == 0, None, labels))
    negative, positive = ClassConfig(name="well", labels=("a",)), ClassConfig(name="ill", labels=("b", "c"))
    task = make_task(Store(store.folder, scans, store.record), negative, positive)
    rows = np.concatenate([task.train, task.val, task.test])
    assert task.truth.dtype == bool
    assert set(scans["label"].iloc[rows]) == {"a", "b", "c"}
    assert len(rows) == scans["label"].isin(["a", "b", "c"]).sum()
    assert set(scans["label"].iloc[rows[~task.truth[rows]]]) == {"a"}
    assert set(scans["label"].iloc[rows[task.truth[rows]]]) == {"b", "c"}
