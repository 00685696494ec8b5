"""The vote of the nearest labeled scans."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from medcl.finetune import (
    ArmContext,
    Budget,
    Task,
    draw_labels,
)
from medcl.finetune.knn import centered, fit_neighbors, neighbor_counts
from tests.finetune.samples import ARMS, image_context


@pytest.fixture(scope="module")
def context(task: Task) -> ArmContext:
    return image_context(task)


def test_neighbors_see_the_disease_and_their_number_follows_the_labels(context: ArmContext) -> None:
    task = context.task
    scores, chosen = {}, {}
    for text in ("5/class", "all"):
        outcome = ARMS["simclr-knn"].run(context, draw_labels(task, Budget.parse(text), 0), 0, task.test)
        chosen[text] = outcome.selected["k"]
        scores[text] = roc_auc_score(task.truth[task.test], outcome.probability)
        assert ((outcome.probability >= 0) & (outcome.probability <= 1)).all()
    assert chosen["5/class"] <= 10
    assert scores["all"] > 0.85
    assert scores["all"] > scores["5/class"] - 0.05


def test_neighbors_are_asked_by_angle_round_the_middle_of_all_scans(context: ArmContext) -> None:
    """Two classes that lie in two directions from the mean, far from the origin, at any distance."""
    task, generator = context.task, np.random.default_rng(0)
    lengths = generator.uniform(1, 50, len(task.store))
    sides = np.where(task.truth, 1, -1)
    features = 1e3 + np.stack([sides * lengths, 0.1 * lengths * generator.normal(size=len(sides))], axis=1)
    labeled = draw_labels(task, Budget.parse("5/class"), 0)
    vote = fit_neighbors(centered(features, task), task, labeled)
    probability = vote.predict_proba(centered(features, task)[task.test])[:, 1]
    assert roc_auc_score(task.truth[task.test], probability) == 1


def test_no_more_numbers_are_tried_than_the_budget_and_the_labels_allow() -> None:
    assert neighbor_counts(10, 3) == [10, 3, 1]
    assert neighbor_counts(4, 20) == [4, 3, 2, 1]
    for labeled in (1, 2, 10, 4708):
        for candidates in (1, 5, 20):
            tried = neighbor_counts(labeled, candidates)
            assert len(tried) <= candidates
            assert set(tried) <= set(range(1, labeled + 1))
