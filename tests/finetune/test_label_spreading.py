"""Labels that spread over the unlabeled pool."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from medcl.finetune import (
    ArmContext,
    Budget,
    LinearProbe,
    Task,
    TrainingConfig,
    draw_labels,
)
from medcl.finetune.label_spreading import NeighborGraph, spread_labels
from tests.finetune.samples import ARMS, image_context


@pytest.fixture(scope="module")
def context(task: Task) -> ArmContext:
    return image_context(task)


def arcs(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return features (2 * count, 3) on two arcs of a sphere that no plane through its middle parts."""
    generator = np.random.default_rng(seed)
    angle = generator.uniform(0, 1.5 * np.pi, 2 * count)
    side = np.repeat([0, 1], count)
    height = np.where(side == 1, 0.35, -0.35) + 0.4 * np.sin(angle) + generator.normal(0, 0.02, 2 * count)
    return np.stack([np.cos(angle), np.sin(angle), height], axis=1), side


def dense(pool: np.ndarray, truth: np.ndarray, alpha: float) -> np.ndarray:
    """Return the share of class 1 in the pool (n,) by matrices in full: 50 neighbors, cosines cubed."""
    unit = pool / np.linalg.norm(pool, axis=1, keepdims=True)
    cosine = unit @ unit.T
    np.fill_diagonal(cosine, -np.inf)
    ranks = np.argsort(np.argsort(-cosine, axis=1), axis=1)
    near = np.where(ranks < 50, np.clip(cosine, 0, 1) ** 3, 0)
    weights = near + near.T
    root = np.sqrt(weights.sum(axis=1))
    system = np.eye(len(pool)) - alpha * weights / root[:, None] / root
    mass = [np.linalg.solve(system, (truth == side) / root[truth == side].sum()) for side in (0, 1)]
    share: np.ndarray = mass[1] / (mass[0] + mass[1])
    return share


@given(seed=st.integers(0, 50), alpha=st.sampled_from([0.1, 0.5, 0.9, 0.99]))
def test_what_spreads_is_the_closed_form(seed: int, alpha: float) -> None:
    features = np.random.default_rng(seed).normal(size=(81, 6)) + 0.5
    truth = np.full(81, -1)
    truth[:3], truth[3:8] = 0, 1
    odds = NeighborGraph(features, np.arange(80)).spread(truth, alpha)
    share = dense(features[:80], truth[:80], alpha)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    near = np.clip(unit[:80] @ unit[80], 0, 1) ** 3
    near[np.argsort(near)[:-50]] = 0
    np.testing.assert_allclose(expit(odds[80]), near @ share / near.sum(), atol=1e-5)


def test_four_labels_find_two_arcs_that_a_line_cannot_part() -> None:
    features, side = arcs(600, 0)
    new, new_side = arcs(100, 1)
    known = [5, 160, 610, 990]
    truth = np.full(len(side) + len(new), -1)
    truth[known] = side[known]
    odds = NeighborGraph(np.concatenate([features, new]), np.arange(len(side))).spread(truth, 0.99)
    line = LinearProbe(1.0).fit_pool(features).fit(features[known], side[known]).logits(new)
    assert roc_auc_score(new_side, odds[len(side) :]) > 0.95
    assert roc_auc_score(new_side, odds[len(side) :]) > roc_auc_score(new_side, line) + 0.05


def test_where_no_label_reaches_the_odds_are_even() -> None:
    generator = np.random.default_rng(0)
    here = np.array([1, 0, 0]) + generator.normal(0, 0.01, (51, 3))
    island = np.array([0, 0, 1]) + generator.normal(0, 0.01, (51, 3))
    truth = np.full(103, -1)
    truth[0], truth[1] = 0, 1
    features = np.concatenate([here, island, [[-1, 0, -1]]])
    odds = NeighborGraph(features, np.arange(102)).spread(truth, 0.99)
    np.testing.assert_allclose(odds[51:], 0, atol=1e-12)


def test_classes_of_unequal_labels_start_with_equal_mass() -> None:
    """Twenty labels against two, far from all of them: the middle between both clusters has even odds."""
    generator = np.random.default_rng(1)
    left, right = (np.array([side, 1, 0]) + generator.normal(0, 0.3, (300, 3)) for side in (-1, 1))
    features = np.concatenate([left, right])
    truth = np.full(600, -1)
    truth[:20], truth[300:302] = 0, 1
    called = NeighborGraph(features, np.arange(600)).spread(truth, 0.99) > 0
    assert 0.4 < called.mean() < 0.6


@pytest.mark.parametrize("size", [2, 3, 50, 51])
def test_pools_smaller_than_the_neighborhood_spread_too(size: int) -> None:
    features = np.random.default_rng(0).normal(size=(size, 4))
    features[-1] = 0
    truth = np.full(size, -1)
    truth[0], truth[1] = 0, 1
    assert np.isfinite(NeighborGraph(features, np.arange(size)).spread(truth, 0.5)).all()


def test_the_pool_is_every_training_scan_and_no_other(task: Task, context: ArmContext) -> None:
    np.testing.assert_array_equal(context.graph.pool, task.store.rows("train"))
    labeled, features = draw_labels(task, Budget.parse("5/class"), 0), context.features().copy()
    before = spread_labels(context.graph, task, labeled)[0][task.test[0]]
    features[task.test[1:]] = np.random.default_rng(0).normal(size=features[task.test[1:]].shape)
    changed = NeighborGraph(features - features[context.graph.pool].mean(axis=0), context.graph.pool)
    assert spread_labels(changed, task, labeled)[0][task.test[0]] == pytest.approx(before, abs=1e-6)
    fewer = NeighborGraph(features - features[context.graph.pool].mean(axis=0), labeled.train)
    assert spread_labels(fewer, task, labeled)[0][task.test[0]] != pytest.approx(before, abs=1e-3)


def test_alpha_is_chosen_on_the_labeled_validation_scans_alone(task: Task, context: ArmContext) -> None:
    """Labels that may not be used, in validation as in test, change nothing; those which may, do."""
    labeled = draw_labels(task, Budget.parse("20/class"), 0)
    hidden = np.concatenate([np.setdiff1d(task.val, labeled.val), task.test])
    truth = task.truth.copy()
    truth[hidden] = ~truth[hidden]
    with_labels = spread_labels(context.graph, task, labeled, 20)
    blind = spread_labels(context.graph, replace(task, truth=truth), labeled, 20)
    np.testing.assert_array_equal(with_labels[0], blind[0])
    assert with_labels[1] == blind[1]


def test_the_farthest_reach_within_a_standard_error_is_taken(task: Task) -> None:
    """The first is far worse than the best, the second hardly: the second is taken."""

    class Recorder(NeighborGraph):
        noise = (3.0, 0.64, 0.62, 0.62, 0.6)

        def __init__(self) -> None:
            self.alphas: list[float] = []

        def spread(self, truth: np.ndarray, alpha: float) -> np.ndarray:
            noise = np.random.default_rng(0).normal(size=len(truth)) * self.noise[len(self.alphas)]
            self.alphas.append(alpha)
            odds: np.ndarray = np.where(task.truth, 1, -1) + noise + alpha
            return odds

    graph, labeled = Recorder(), draw_labels(task, Budget.parse("all"), 0)
    odds, alpha = spread_labels(graph, task, labeled, 5)
    scores = []
    for n in range(5):
        again = Recorder()
        again.alphas = [0.0] * n
        scores.append(roc_auc_score(task.truth[task.val], again.spread(task.truth, 0)[task.val]))
    assert scores[0] < scores[1] < max(scores[2:]) < scores[1] + 0.05
    assert graph.alphas == sorted(graph.alphas, reverse=True)
    assert (graph.alphas[0], graph.alphas[-1]) == pytest.approx((0.99, 0.1))
    assert alpha == graph.alphas[1]
    again = Recorder()
    again.alphas = [0.0]
    np.testing.assert_array_equal(odds, again.spread(task.truth, alpha))


@pytest.mark.parametrize("budget", ["20/class", "all"])
def test_the_arm_is_calibrated_and_says_what_it_compared(
    task: Task, context: ArmContext, budget: str
) -> None:
    labeled = draw_labels(task, Budget.parse(budget), 0)
    outcome = ARMS["simclr-spread"].run(context, labeled, 0, task.test)
    truth = task.truth[task.test]
    assert roc_auc_score(truth, outcome.probability) > 0.8
    assert np.mean((outcome.probability - truth) ** 2) < 0.2
    assert ((outcome.probability > 0.5) == truth).mean() > 0.7
    assert outcome.candidates == TrainingConfig().candidates
    logits, alpha = spread_labels(context.graph, task, labeled, outcome.candidates)
    assert outcome.selected["alpha"] == alpha
    np.testing.assert_allclose(
        outcome.probability, expit(logits[task.test] / outcome.selected["temperature"]), atol=1e-9
    )
