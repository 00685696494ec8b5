"""Semi-supervised objectives, layer-wise rates, and training from a probe."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from medcl.finetune import Budget, Images, Task, TrainingConfig, draw_labels, fit_probe, predict
from medcl.finetune.arms.base import ArmContext
from medcl.finetune.arms.registry import ARMS
from medcl.finetune.semi_supervised import Distillation, FixMatch, MeanTeacher
from medcl.finetune.training import (
    Classifier,
    TrainingInputs,
    infinite_batches,
    layer_groups,
    train_classifier,
)
from medcl.pretrain import EncoderConfig, build_encoder
from medcl.views import load_policy

NETWORK = EncoderConfig(name="resnet10", width=8, stem="compact")
SETTINGS = TrainingConfig(steps=40, batch_size=16, learning_rates=(3e-3,), candidates=8)


@pytest.fixture(scope="module")
def context(task: Task) -> ArmContext:
    return ArmContext(
        task, Images(load_policy("cxr"), 32, 1), SETTINGS, build_encoder(NETWORK, 0).eval(), NETWORK
    )


@pytest.fixture(scope="module")
def classifier(task: Task, context: ArmContext) -> Classifier:
    labeled = draw_labels(task, Budget.parse("20/class"), 0)
    return Classifier.from_probe(context.encoder(), fit_probe(context.features(), task, labeled))


@pytest.mark.parametrize("arm", ["fixmatch", "mean-teacher", "distil"])
def test_semi_supervised_arms_learn_the_task(task: Task, context: ArmContext, arm: str) -> None:
    labeled = draw_labels(task, Budget.parse("20/class"), 0)
    outcome = ARMS[arm](context, labeled, 0, task.test)
    assert roc_auc_score(task.truth[task.test], outcome.probability) > 0.8
    assert outcome.classifier is not None
    told = predict(outcome.classifier, task.store, task.test, context.images)
    np.testing.assert_array_equal(told, outcome.probability)


def test_no_label_outside_the_budget_is_used(task: Task, context: ArmContext) -> None:
    """Flipping every other training label changes nothing."""
    labeled = draw_labels(task, Budget.parse("5/class"), 0)
    others = np.setdiff1d(task.train, labeled.train)
    truth = task.truth.copy()
    truth[others] = 1 - truth[others]
    truth[task.test] = 1 - truth[task.test]
    few = TrainingConfig(steps=4, batch_size=8, learning_rates=(1e-3,), candidates=2)
    for arm in ("fixmatch", "mean-teacher", "distil", "spread", "probe", "supervised", "classical"):
        said = []
        for told in (task, replace(task, truth=truth)):
            own = ArmContext(told, context.images, few, context.pretrained, NETWORK)
            said.append(ARMS[arm](own, labeled, 0, task.test).probability)
        assert np.array_equal(said[0], said[1]), arm


def test_plain_and_varied_views_come_in_the_same_order(task: Task, context: ArmContext) -> None:
    plain, varied = (
        infinite_batches(task.store, task.store.rows("train"), context.images, 32, 7, draw)
        for draw in ("whole", "bag")
    )
    for _ in range(6):
        one, other = next(plain), next(varied)
        assert torch.equal(one.rows, other.rows)
        assert not torch.equal(one.data, other.data)


def test_fixmatch_leaves_out_what_it_is_not_sure_of(
    task: Task, context: ArmContext, classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    labeled = draw_labels(task, Budget.parse("20/class"), 0)
    batch = next(infinite_batches(task.store, labeled.train, context.images, 16, 0))
    arguments = (classifier, TrainingInputs(task, labeled, context.images, SETTINGS, 0))
    with torch.no_grad():
        classifier.train()
        monkeypatch.setattr(FixMatch, "CONFIDENCE", 1.1)
        none = FixMatch(*arguments).loss(batch)
        monkeypatch.setattr(FixMatch, "CONFIDENCE", 0.5)
        all_of_them = FixMatch(*arguments).loss(batch)
    assert all_of_them > none


def test_a_mean_teacher_is_the_running_average(
    task: Task, context: ArmContext, classifier: Classifier
) -> None:
    labeled = draw_labels(task, Budget.parse("20/class"), 0)
    told = MeanTeacher(classifier, TrainingInputs(task, labeled, context.images, SETTINGS, 0))
    old = told.kept.head.weight.clone()
    assert told.ramp() == 0
    told.step = 99
    with torch.no_grad():
        told.classifier.head.weight.add_(1)
        told.on_step_end()
        told.classifier.head.weight.sub_(1)
    torch.testing.assert_close(told.kept.head.weight, old + 0.01)
    assert told.ramp() == 1


def test_a_teacher_s_order_of_scans_is_kept_and_its_spread_is_not(
    task: Task, context: ArmContext, classifier: Classifier
) -> None:
    labeled = draw_labels(task, Budget.parse("20/class"), 0)
    told = Distillation(
        classifier, TrainingInputs(task, labeled, context.images, SETTINGS, 0), teacher=classifier
    )
    pool = task.store.rows("train")
    said = predict(classifier, task.store, pool, context.images)
    soft = told.soft[pool].double().numpy()
    assert (
        np.argsort(soft, kind="stable") == np.argsort(said.astype(np.float32), kind="stable")
    ).mean() > 0.95
    assert np.std(np.log(soft / (1 - soft))) == pytest.approx(Distillation.SPREAD, rel=1e-3)


def test_rates_fall_from_the_head_down_and_every_weight_learns(classifier: Classifier) -> None:
    groups = layer_groups(classifier.on_top, classifier.encoder, 0.01, 1e-3, 0.5)
    assert sum(p.numel() for g in groups for p in g["params"]) == sum(
        p.numel() for p in classifier.parameters()
    )
    assert groups[0]["lr"] == 1e-3
    assert [g["lr"] for g in groups] == sorted((g["lr"] for g in groups), reverse=True)
    assert groups[-1]["lr"] < 1e-3 / 8
    assert all((g["weight_decay"] > 0) == (p.ndim > 1) for g in groups for p in g["params"])


def test_a_probe_is_kept_unless_training_shows_a_gain(
    task: Task, context: ArmContext, classifier: Classifier
) -> None:
    labeled = draw_labels(task, Budget.parse("20/class"), 0)
    wild = TrainingConfig(steps=4, batch_size=8, learning_rates=(10.0,), candidates=2)
    trained, chosen = train_classifier(classifier, task, labeled, context.images, wild, 0)
    assert chosen["step"] == 0
    assert torch.equal(trained.head.weight, classifier.head.weight)
    untaught = Classifier(context.encoder())
    _, chosen = train_classifier(
        untaught, task, draw_labels(task, Budget.parse("all"), 0), context.images, SETTINGS, 0
    )
    assert chosen["step"] > 0
    assert chosen["val_auroc"] > 0.8
