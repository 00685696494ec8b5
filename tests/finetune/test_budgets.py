from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcl.errors import UsageError
from medcl.finetune import Budget, ClassConfig, Task, draw_labels, make_task
from medcl.store import Store

NEGATIVE, POSITIVE = ClassConfig(name="healthy", labels=("0",)), ClassConfig(name="abnormal", labels=("1",))


@pytest.fixture(scope="module")
def task(store: Store) -> Task:
    return make_task(store, NEGATIVE, POSITIVE)


@pytest.mark.parametrize("text", ["5/class", "1%", "12.5%", "100%", "all"])
def test_budgets_are_read(text: str) -> None:
    assert Budget.parse(text).text == text


@given(st.text(max_size=8).filter(lambda text: not any(c.isdigit() for c in text) and text.strip() != "all"))
def test_nonsense_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(UsageError, match="write 5/class, 1% or all"):
        Budget.parse(text)


@pytest.mark.parametrize("text", ["0/class", "-1/class", "0%", "101%", "5 per class", "5"])
def test_impossible_budgets_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="write 5/class"):
        Budget.parse(text)


def test_as_many_of_each_class_as_asked_and_from_training_only(task: Task) -> None:
    labeled = draw_labels(task, Budget.parse("7/class"), seed=3)
    assert np.bincount(task.truth[labeled.train]).tolist() == [7, 7]
    assert np.bincount(task.truth[labeled.val]).tolist() == [7, 7]
    assert set(labeled.train) <= set(task.train)
    assert set(labeled.val) <= set(task.val)


def test_a_smaller_budget_is_part_of_a_larger_one(task: Task) -> None:
    small, large = (draw_labels(task, Budget.parse(text), seed=1).train for text in ("5/class", "20/class"))
    assert set(small) < set(large)


def test_seeds_draw_differently_and_repeatably(task: Task) -> None:
    draws = [tuple(draw_labels(task, Budget.parse("5/class"), seed).train) for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]


def test_a_budget_larger_than_a_class_is_refused(task: Task) -> None:
    with pytest.raises(UsageError, match="has only 60 training scans"):
        draw_labels(task, Budget.parse("61/class"), seed=0)


def test_few_labels_come_from_many_patients(store: Store, task: Task) -> None:
    """One scan of every patient is taken before a second of any."""
    crowded = Task(
        store, task.names, task.truth, np.arange(len(store)) // 30, task.train, task.val, task.test
    )
    drawn = draw_labels(crowded, Budget.parse("3/class"), seed=0).train
    by_class = [crowded.patients[drawn[crowded.truth[drawn] == side]] for side in (0, 1)]
    assert all(len(set(patients)) == 3 for patients in by_class)
