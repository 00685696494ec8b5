"""Pooling of a volume's slices: what each kind sees, and that a model keeps it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from medcl.finetune import Budget, Classifier, Model, Task, draw_labels, extract_features, predict
from medcl.finetune.arms.networks import _probe_classifier
from medcl.finetune.pooling import GatedAttention, RecurrentPool, build_pooling
from medcl.finetune.training import layer_groups
from medcl.pretrain import build_encoder
from tests.finetune.samples import ARMS, PLAIN, config_of, context_of

KINDS = ("attention", "gru")


def test_attention_starts_as_the_mean_and_learns_which_slice_matters() -> None:
    """A bag is positive if one slice in it is marked, among others that only look strong."""
    torch.manual_seed(0)
    features = torch.randn(256, 8, 16)
    truth = torch.arange(256) % 2
    features[truth == 1, 3, 0] += 6
    pool, head = GatedAttention(16), torch.nn.Linear(16, 1)
    torch.testing.assert_close(pool(features), features.mean(dim=1))
    optimizer = torch.optim.Adam([*pool.parameters(), *head.parameters()], 1e-2)
    for _ in range(80):
        loss = F.binary_cross_entropy_with_logits(head(pool(features)).squeeze(1), truth.float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    weights = pool.weights(features).squeeze(2)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(256))
    assert (weights[truth == 1].argmax(dim=1) == 3).float().mean() > 0.9


def test_attention_asks_not_for_the_order_of_slices_and_a_reader_does() -> None:
    features = torch.randn(4, 6, 16)
    shuffled = features[:, torch.tensor([3, 0, 5, 1, 4, 2])]
    attention, reader = GatedAttention(16), RecurrentPool(16)
    torch.nn.init.normal_(attention.score.weight)
    torch.testing.assert_close(attention(features), attention(shuffled))
    assert not torch.allclose(reader(features), reader(shuffled), atol=1e-3)
    assert reader(features).shape == (4, 16)


def test_weights_follow_the_seed_and_no_global_state_moves() -> None:
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    one, same, other = (build_pooling("gru", 8, seed)(torch.ones(1, 3, 8)) for seed in (1, 1, 2))
    assert torch.equal(torch.rand(1), expected)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("kind", KINDS)
def test_fine_tuning_starts_from_a_probe_of_features_pooled_alike(volumes: Task, kind: str) -> None:
    context = context_of(volumes, PLAIN, pooling=kind)
    labeled = draw_labels(context.task, Budget.parse("all"), 0)
    start, task = _probe_classifier(context, labeled), context.task
    features = extract_features(context.encoder(), task.store, context.images, task.test, kind)
    with torch.no_grad():
        logits = start.head(torch.as_tensor(features)).squeeze(1).double().sigmoid()
    np.testing.assert_allclose(predict(start, task.store, task.test, context.images), logits, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_pooling_is_trained_and_a_model_on_disk_keeps_it(volumes: Task, tmp_path: Path, kind: str) -> None:
    context = context_of(volumes, PLAIN, pooling=kind)
    task = context.task
    outcome = ARMS["supervised"].run(context, draw_labels(task, Budget.parse("all"), 0), 3, task.test)
    network = outcome.classifier
    assert network is not None
    assert network.pooling == kind
    before = Classifier(build_encoder(PLAIN, 3), kind, 3).pool.state_dict()
    assert any(not torch.equal(before[name], value) for name, value in network.pool.state_dict().items())
    Model(network, config_of(context, "supervised")).save(tmp_path / "m")
    loaded = Model.load(tmp_path / "m")
    probability = predict(loaded.classifier, task.store, task.test, loaded.images)
    np.testing.assert_allclose(probability, outcome.probability, atol=1e-6)


def test_every_weight_of_the_pooling_learns_at_the_head_s_rate() -> None:
    classifier = Classifier(build_encoder(PLAIN, 0), "attention")
    groups = layer_groups(classifier.pooling_and_head, classifier.encoder, 0.01, 1e-3, 0.5)
    assert sum(p.numel() for g in groups for p in g["params"]) == sum(
        p.numel() for p in classifier.parameters()
    )
    top = {id(p) for g in groups if g["lr"] == 1e-3 for p in g["params"]}
    assert {id(p) for p in classifier.pool.parameters()} < top
