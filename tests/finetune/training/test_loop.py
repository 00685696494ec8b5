"""The training loop: steps that are evaluated, and learning rates by layer."""

from __future__ import annotations

import pytest

from medcl.finetune import (
    ArmContext,
    Budget,
    Classifier,
    Task,
    draw_labels,
    fit_probe,
)
from medcl.finetune.training import evaluation_steps, layer_groups
from tests.finetune.samples import image_context


@pytest.fixture(scope="module")
def context(task: Task) -> ArmContext:
    return image_context(task)


@pytest.fixture(scope="module")
def classifier(task: Task, context: ArmContext) -> Classifier:
    labeled = draw_labels(task, Budget.parse("20/class"), 0)
    return Classifier.from_probe(context.encoder(), fit_probe(context.features(), task, labeled))


def test_states_are_spread_over_training_and_the_last_is_among_them() -> None:
    assert evaluation_steps(8, 3) == {2, 5, 8}


def test_rates_fall_from_the_head_down_and_every_weight_learns(classifier: Classifier) -> None:
    groups = layer_groups(classifier.pooling_and_head, classifier.encoder, 0.01, 1e-3, 0.5)
    assert sum(p.numel() for g in groups for p in g["params"]) == sum(
        p.numel() for p in classifier.parameters()
    )
    assert groups[0]["lr"] == 1e-3
    assert [g["lr"] for g in groups] == sorted((g["lr"] for g in groups), reverse=True)
    assert groups[-1]["lr"] < 1e-3 / 8
    assert all((g["weight_decay"] > 0) == (p.ndim > 1) for g in groups for p in g["params"])
