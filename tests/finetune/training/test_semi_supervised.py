"""Semi-supervised objectives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
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
)
from medcl.finetune.training import (
    Distillation,
    FixMatch,
    MeanTeacher,
    TrainingInputs,
    infinite_batches,
)
from tests.finetune.samples import ARMS, PLAIN, image_context

SETTINGS = TrainingConfig(steps=40, batch_size=16, learning_rates=(3e-3,), candidates=8)


@pytest.fixture(scope="module")
def context(task: Task) -> ArmContext:
    return image_context(task, SETTINGS)


@pytest.mark.parametrize("arm", ["simclr-fixmatch", "simclr-mean-teacher", "simclr-distillation"])
def test_semi_supervised_arms_learn_the_task(task: Task, context: ArmContext, arm: str) -> None:
    labeled = draw_labels(task, Budget.parse("20/class"), 0)
    outcome = ARMS[arm].run(context, labeled, 0, task.test)
    assert roc_auc_score(task.truth[task.test], outcome.probability) > 0.8
    assert outcome.classifier is not None
    probability = predict(outcome.classifier, task.store, task.test, context.images)
    np.testing.assert_array_equal(probability, outcome.probability)


def test_no_label_outside_the_budget_is_used(task: Task, context: ArmContext) -> None:
    """Flipping every other training label changes nothing."""
    labeled = draw_labels(task, Budget.parse("5/class"), 0)
    others = np.setdiff1d(task.train, labeled.train)
    truth = task.truth.copy()
    truth[others] = ~truth[others]
    truth[task.test] = ~truth[task.test]
    few = TrainingConfig(steps=4, batch_size=8, learning_rates=(1e-3,), candidates=2)
    methods = ("fixmatch", "mean-teacher", "distillation", "spread", "probe")
    for arm in (*[f"simclr-{name}" for name in methods], "supervised", "classical"):
        probabilities = []
        for flipped in (task, replace(task, truth=truth)):
            few_context = ArmContext(flipped, context.images, few, context.pretrained, PLAIN)
            probabilities.append(ARMS[arm].run(few_context, labeled, 0, task.test).probability)
        assert np.array_equal(probabilities[0], probabilities[1]), arm


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
    objective = MeanTeacher(classifier, TrainingInputs(task, labeled, context.images, SETTINGS, 0))
    old = objective.selected.head.weight.clone()
    assert objective.ramp() == 0
    objective.step = 99
    with torch.no_grad():
        objective.classifier.head.weight.add_(1)
        objective.on_step_end()
        objective.classifier.head.weight.sub_(1)
    torch.testing.assert_close(objective.selected.head.weight, old + 0.01)
    assert objective.ramp() == 1


def test_a_teacher_s_order_of_scans_is_kept_and_its_spread_is_not(
    task: Task, context: ArmContext, classifier: Classifier
) -> None:
    labeled = draw_labels(task, Budget.parse("20/class"), 0)
    objective = Distillation(
        classifier, TrainingInputs(task, labeled, context.images, SETTINGS, 0), teacher=classifier
    )
    pool = task.store.rows("train")
    probability = predict(classifier, task.store, pool, context.images).astype(np.float32)
    targets = objective.targets[pool].double().numpy()
    same_rank = np.argsort(targets, kind="stable") == np.argsort(probability, kind="stable")
    assert same_rank.mean() > 0.95
    assert np.std(np.log(targets / (1 - targets))) == pytest.approx(Distillation.TARGET_STD, rel=1e-3)
