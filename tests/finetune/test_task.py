"""The classification task of a store, and questions that it cannot answer."""

from __future__ import annotations

import numpy as np
import pytest

from medcl.errors import UsageError
from medcl.finetune import ClassConfig, make_task
from medcl.store import Store


@pytest.mark.parametrize(
    ("negative", "positive", "message"),
    [
        (ClassConfig(name="a", labels=("0",)), ClassConfig(name="b", labels=("7",)), "not in the store"),
        (ClassConfig(name="a", labels=("0", "1")), ClassConfig(name="b", labels=("1",)), "both classes"),
        (ClassConfig(name="a", labels=()), ClassConfig(name="b", labels=("1",)), "not in the store"),
    ],
)
def test_a_question_that_the_store_cannot_answer_is_refused(
    store: Store, negative: ClassConfig, positive: ClassConfig, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        make_task(store, negative, positive)


def test_scans_of_neither_class_are_in_no_split(store: Store) -> None:
    third = store.scans.assign(label=store.scans["label"].where(np.arange(len(store)) % 10 > 0, "2"))
    task = make_task(Store(store.folder, third, store.record), "0", "1")
    assert task.names == ("0", "1")
    for split in ("train", "val", "test"):
        rows = getattr(task, split)
        assert set(task.truth[rows]) == {0, 1}
        assert len(rows) == ((third["split"] == split) & (third["label"] != "2")).sum()


def test_several_labels_are_one_class(store: Store) -> None:
    both = ClassConfig(name="any", labels=("0", "2"))
    labels = store.scans["label"].where(np.arange(len(store)) % 4 > 0, "2")
    task = make_task(Store(store.folder, store.scans.assign(label=labels), store.record), both, "1")
    assert (task.truth == (labels == "1").to_numpy()).all()


def test_a_split_that_lacks_a_class_is_named_with_the_way_out(store: Store) -> None:
    scans = store.scans.copy()
    scans.loc[(scans["split"] == "val") & (scans["label"] == "1"), "label"] = "0"
    with pytest.raises(UsageError) as caught:
        make_task(Store(store.folder, scans, store.record), "0", "1")
    assert (
        str(caught.value)
        == "the val split has no '1' scan; add patients, so that each split has both classes"
    )


def test_a_missing_label_is_named_with_those_that_there_are(store: Store) -> None:
    with pytest.raises(UsageError, match=r"class '7': label \['7'\] is not in the store \(it has: 0, 1\)"):
        make_task(store, "0", "7")


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
