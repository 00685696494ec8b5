"""A classifier made of an encoder and a linear probe."""

from __future__ import annotations

import numpy as np
import pytest

from medcl.finetune import (
    ArmContext,
    Budget,
    Classifier,
    Task,
    draw_labels,
    extract_features,
    fit_probe,
    predict,
)
from tests.finetune.samples import image_context


@pytest.fixture(scope="module")
def context(task: Task) -> ArmContext:
    return image_context(task)


def test_a_probe_as_a_linear_head_says_the_same(task: Task, context: ArmContext) -> None:
    labeled = draw_labels(task, Budget.parse("20/class"), 0)
    features = extract_features(context.pretrained, task.store, context.images)
    probe = fit_probe(features, task, labeled)
    classifier = Classifier.from_probe(context.pretrained, probe)
    probability = predict(classifier, task.store, task.test, context.images)
    np.testing.assert_allclose(probability, probe.predict_proba(features[task.test])[:, 1], atol=1e-5)
