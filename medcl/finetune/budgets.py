"""Label budgets: the training and validation scans whose labels an arm may use."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from medcl.errors import UsageError
from medcl.finetune.task import Task


@dataclass(frozen=True)
class Budget:
    """A label budget: `5/class`, `1%` or `all`.

    Attributes:
        text: The budget as written.
        per_class: Labeled scans per class, or None.
        share: Labeled share of each class, in (0, 1], or None.
    """

    text: str
    per_class: int | None = None
    share: float | None = None

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Read a budget.

        Raises:
            UsageError: The text is not a budget.
        """
        text = str(text).strip()
        if text == "all":
            return cls(text)
        if match := re.fullmatch(r"([1-9]\d*)/class", text):
            return cls(text, per_class=int(match[1]))
        match = re.fullmatch(r"(\d+(?:\.\d+)?)%", text)
        if match and 0 < float(match[1]) <= 100:
            return cls(text, share=float(match[1]) / 100)
        raise UsageError(f"budget '{text}': write 5/class, 1% or all")

    def count(self, available: int) -> int:
        """Return how many of the `available` scans of a class the budget includes."""
        if self.per_class is not None:
            return self.per_class
        return available if self.share is None else max(1, round(self.share * available))


@dataclass(frozen=True)
class LabeledScans:
    """Rows of the store whose labels an arm may use.

    Attributes:
        train: Rows to train on, (n,).
        val: Rows to select candidates and set thresholds on, (m,).
    """

    train: np.ndarray
    val: np.ndarray


def draw_labels(task: Task, budget: Budget, seed: int) -> LabeledScans:
    """Draw the labeled scans of one seed, the same for every arm.

    Patients are shuffled and their scans taken in that order, class by class; a smaller budget of the same
    seed is a subset of a larger one. There are no more validation scans than the budget allows.

    Raises:
        UsageError: A class of the training set is smaller than the budget.
    """
    train = _draw(task, task.train, budget, seed, strict=True)
    return LabeledScans(train, _draw(task, task.val, budget, seed, strict=False))


def _draw(task: Task, rows: np.ndarray, budget: Budget, seed: int, strict: bool) -> np.ndarray:
    generator = np.random.default_rng([seed, len(rows)])
    shuffled = _shuffle_by_patient(rows, task.patients[rows], generator)
    drawn = []
    for truth, name in enumerate(task.names):
        members = shuffled[task.truth[shuffled] == truth]
        count = budget.count(len(members))
        if strict and count > len(members):
            raise UsageError(
                f"budget '{budget.text}': class '{name}' has only {len(members)} training scans; "
                "use a smaller budget"
            )
        drawn.append(members[:count])
    return np.sort(np.concatenate(drawn))


def _shuffle_by_patient(rows: np.ndarray, patients: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Shuffle so that one scan of every patient comes first, then a second of each, and so on."""
    order = generator.permutation(len(rows))
    counts: dict[int, int] = {}
    rank = np.empty(len(rows), int)
    for position in order:
        patient = int(patients[position])
        rank[position] = counts.get(patient, 0)
        counts[patient] = rank[position] + 1
    return rows[order[np.argsort(rank[order], kind="stable")]]
