"""Arms on frozen features: which features they use, and what they report of their selection."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from medcl.finetune import ArmContext, Budget, LabeledScans, Task, TrainingConfig, draw_labels, predict
from medcl.finetune.arms import probes
from medcl.finetune.arms.probes import fit_calibrated_probe
from medcl.pretrain import build_encoder
from tests.finetune.samples import PLAIN, image_context

FEW = TrainingConfig(steps=2, batch_size=8, learning_rates=(1e-3,), candidates=6)


@pytest.fixture(scope="module")
def context(task: Task) -> ArmContext:
    return image_context(task, FEW)


@pytest.fixture(scope="module")
def labeled(task: Task) -> LabeledScans:
    return draw_labels(task, Budget.parse("20/class"), 0)


def test_a_probe_is_a_network_that_predicts_what_it_reported(
    task: Task, context: ArmContext, labeled: LabeledScans
) -> None:
    result = probes.probe(context, labeled, 0, task.test)
    assert result.classifier is not None
    assert result.candidates == 6
    assert result.selected.keys() == {"C", "temperature"}
    again = predict(result.classifier, task.store, task.test, context.images)
    np.testing.assert_allclose(again, result.probability, atol=1e-5)


def test_neighbors_vote_with_whole_numbers(task: Task, context: ArmContext, labeled: LabeledScans) -> None:
    result = probes.knn(context, labeled, 0, task.test)
    assert result.classifier is None
    assert 1 <= result.selected["k"] <= len(labeled.train)
    assert 1 <= result.candidates <= 6
    assert ((result.probability >= 0) & (result.probability <= 1)).all()


def test_spread_labels_are_probabilities_of_every_row(
    task: Task, context: ArmContext, labeled: LabeledScans
) -> None:
    result = probes.spread(context, labeled, 0, task.test)
    assert result.selected.keys() == {"alpha", "temperature"}
    assert 0 < result.selected["alpha"] < 1
    assert result.probability.shape == task.test.shape
    assert ((result.probability > 0) & (result.probability < 1)).all()


def test_a_random_probe_depends_on_the_seed_alone(
    task: Task, context: ArmContext, labeled: LabeledScans
) -> None:
    one, again, other = (
        probes.random_probe(context, labeled, seed, task.val).probability for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(one, again)
    assert not np.allclose(one, other)


def test_an_external_probe_uses_the_external_encoder(task: Task, labeled: LabeledScans) -> None:
    encoder = build_encoder(PLAIN, 9).eval()
    images = image_context(task).images
    external = ArmContext(task, images, FEW, build_encoder(PLAIN, 0).eval(), PLAIN, encoder)
    pretrained = ArmContext(task, images, FEW, encoder, PLAIN)
    np.testing.assert_array_equal(
        probes.external_probe(external, labeled, 0, task.val).probability,
        probes.probe(pretrained, labeled, 0, task.val).probability,
    )


def test_a_calibrated_probe_separates_features_that_hold_the_class(task: Task, labeled: LabeledScans) -> None:
    generator = np.random.default_rng(0)
    features = generator.normal(size=(len(task.truth), 4)) + 2 * task.truth[:, None]
    classifier, selected = fit_calibrated_probe(features, task, labeled, 5)
    assert roc_auc_score(task.truth[task.test], classifier.logits(features[task.test])) > 0.97
    assert selected["C"] == classifier.C
    assert selected["temperature"] > 0
