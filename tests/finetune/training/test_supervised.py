"""Training a classifier: what it learns, that it repeats, and when its probe is kept."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from medcl.finetune import (
    ArmContext,
    Budget,
    Classifier,
    Task,
    TrainingConfig,
    draw_labels,
    predict,
    train_classifier,
)
from medcl.finetune.training import infinite_batches
from medcl.pretrain import build_encoder
from tests.finetune.samples import PLAIN, TRAINING


def test_a_network_learns_the_task_and_is_selected_on_validation(task: Task, context: ArmContext) -> None:
    labeled = draw_labels(task, Budget.parse("all"), 0)
    encoder = build_encoder(PLAIN, 1)
    before = [p.clone() for p in encoder.parameters()]
    classifier, selected = train_classifier(encoder, task, labeled, context.images, TRAINING, 0)
    probability = predict(classifier, task.store, task.test, context.images)
    assert roc_auc_score(task.truth[task.test], probability) > 0.9
    assert selected["val_auroc"] > 0.9
    assert all(torch.equal(a, b) for a, b in zip(before, encoder.parameters(), strict=True))


def test_training_is_repeatable(task: Task, context: ArmContext) -> None:
    labeled = draw_labels(task, Budget.parse("5/class"), 0)
    settings = TrainingConfig(steps=6, batch_size=8, learning_rates=(1e-3,), candidates=4)
    twice = [
        predict(
            train_classifier(build_encoder(PLAIN, 1), task, labeled, context.images, settings, 4)[0],
            task.store,
            task.test,
            context.images,
        )
        for _ in range(2)
    ]
    np.testing.assert_array_equal(twice[0], twice[1])


def test_a_probe_is_kept_unless_training_shows_a_gain(
    task: Task, context: ArmContext, classifier: Classifier
) -> None:
    labeled = draw_labels(task, Budget.parse("20/class"), 0)
    wild = TrainingConfig(steps=4, batch_size=8, learning_rates=(10.0,), candidates=2)
    trained, selected = train_classifier(classifier, task, labeled, context.images, wild, 0)
    assert selected["step"] == 0
    assert torch.equal(trained.head.weight, classifier.head.weight)
    untrained = Classifier(context.encoder())
    _, selected = train_classifier(
        untrained, task, draw_labels(task, Budget.parse("all"), 0), context.images, TRAINING, 0
    )
    assert selected["step"] > 0
    assert selected["val_auroc"] > 0.8


def test_plain_and_augmented_views_come_in_the_same_order(task: Task, context: ArmContext) -> None:
    plain, augmented = (
        infinite_batches(task.store, task.store.rows("train"), context.images, 32, 7, draw)
        for draw in ("whole", "bag")
    )
    for _ in range(6):
        one, other = next(plain), next(augmented)
        assert torch.equal(one.rows, other.rows)
        assert not torch.equal(one.data, other.data)
