"""Labels that spread over the unlabelled pool."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from medcl.finetune import Budget, Images, LinearProbe, Task, TrainingConfig, draw_labels
from medcl.finetune.arms import ARMS, Bench, arm_names
from medcl.finetune.spreading import NEIGHBOURS, POWER, SpreadLabels, spread_labels
from medcl.pretrain import EncoderConfig, build_encoder
from medcl.views import load_policy

NETWORK = EncoderConfig(name="resnet10", width=8, stem="compact")


def arcs(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return features (2 * count, 3) on two arcs of a sphere that no plane through its middle parts."""
    generator = np.random.default_rng(seed)
    angle = generator.uniform(0, 1.5 * np.pi, 2 * count)
    side = np.repeat([0, 1], count)
    height = np.where(side == 1, 0.35, -0.35) + 0.4 * np.sin(angle) + generator.normal(0, 0.02, 2 * count)
    return np.stack([np.cos(angle), np.sin(angle), height], axis=1), side


def closed_form(pool: np.ndarray, truth: np.ndarray, alpha: float) -> np.ndarray:
    """Return the share of class 1 (n,) by Zhou et al. 2004, eq. 4: (I - alpha S)^-1 Y, dense."""
    unit = pool / np.linalg.norm(pool, axis=1, keepdims=True)
    cosine = np.clip(unit @ unit.T, 0, 1)
    np.fill_diagonal(cosine, -1)
    ranks = np.argsort(np.argsort(-cosine, axis=1), axis=1)
    near = np.where(ranks < min(NEIGHBOURS, len(pool) - 1), np.clip(cosine, 0, 1) ** POWER, 0)
    weights = np.maximum(near, near.T)
    root = 1 / np.sqrt(weights.sum(axis=1))
    known = np.stack([truth == 0, truth == 1], axis=1).astype(float)
    mass = np.linalg.solve(np.eye(len(pool)) - alpha * root[:, None] * weights * root, known)
    share: np.ndarray = mass[:, 1] / mass.sum(axis=1)
    return share


@given(seed=st.integers(0, 50), alpha=st.sampled_from([0.1, 0.5, 0.9, 0.99]))
def test_what_spreads_is_the_closed_form(seed: int, alpha: float) -> None:
    pool = np.random.default_rng(seed).normal(size=(80, 6)) + 0.5
    truth = np.full(80, -1)
    truth[:3], truth[3:8] = 0, 1
    spread = SpreadLabels(pool).fit(truth, alpha)
    told = spread.model.label_distributions_[:, 1]
    np.testing.assert_allclose(told, closed_form(pool, truth, alpha), atol=1e-3)


def test_four_labels_find_two_arcs_that_a_line_cannot_part() -> None:
    features, side = arcs(600, 0)
    truth = np.full(len(side), -1)
    known = [5, 160, 610, 990]
    truth[known] = side[known]
    new, new_side = arcs(100, 1)
    told = SpreadLabels(features).fit(truth, 0.99).logits(new)
    line = LinearProbe(1.0).fit_pool(features).fit(features[known], side[known]).logits(new)
    assert roc_auc_score(new_side, told) > 0.95
    assert roc_auc_score(new_side, told) > roc_auc_score(new_side, line) + 0.05


def test_where_no_label_reaches_the_odds_are_even() -> None:
    generator = np.random.default_rng(0)
    here = [1, 0, 0] + generator.normal(0, 0.01, (NEIGHBOURS + 1, 3))
    island = [0, 0, 1] + generator.normal(0, 0.01, (NEIGHBOURS + 1, 3))
    truth = np.full(2 * NEIGHBOURS + 2, -1)
    truth[0], truth[1] = 0, 1
    odds = SpreadLabels(np.concatenate([here, island])).fit(truth, 0.99).logits(island[:5])
    np.testing.assert_array_equal(odds, 0)


@pytest.mark.parametrize("size", [2, 3, NEIGHBOURS, NEIGHBOURS + 1])
def test_pools_smaller_than_the_neighbourhood_spread_too(size: int) -> None:
    pool = np.random.default_rng(0).normal(size=(size, 4)) + 2
    truth = np.full(size, -1)
    truth[0], truth[1] = 0, 1
    assert np.isfinite(SpreadLabels(pool).fit(truth, 0.5).logits(pool)).all()


def test_unlabelled_scans_help_and_alpha_is_among_what_was_tried(task: Task) -> None:
    torch.set_num_threads(1)
    images, encoder = Images(load_policy("cxr"), 32, 1), build_encoder(NETWORK, 0).eval()
    bench = Bench(task, images, TrainingConfig(), encoder, NETWORK)
    outcome = ARMS["spread"](bench, draw_labels(task, Budget.parse("20/class"), 0), 0, task.test)
    assert roc_auc_score(task.truth[task.test], outcome.probability) > 0.8
    assert ((outcome.probability >= 0) & (outcome.probability <= 1)).all()
    assert outcome.trials == TrainingConfig().trials
    assert "moco-spread" in arm_names("moco")
    one = spread_labels(bench.features(), task, draw_labels(task, Budget.parse("20/class"), 0), trials=1)
    assert one.alpha == pytest.approx(0.99)
