"""Arms that train a network: candidates that they compare, and what they learn."""

from __future__ import annotations

from collections import Counter

import pytest
from sklearn.metrics import roc_auc_score

from medcl.finetune import (
    ArmContext,
    Budget,
    Task,
    TrainingConfig,
    draw_labels,
)
from medcl.finetune.probe import LinearProbe
from medcl.finetune.training import supervised
from tests.finetune.samples import ARMS, PLAIN, context_of, image_context

SETTINGS = TrainingConfig(steps=8, batch_size=8, learning_rates=(1e-3, 3e-4), candidates=12)


@pytest.fixture(scope="module")
def context(task: Task) -> ArmContext:
    return image_context(task, SETTINGS)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count fitted probes and validated states of a network."""
    counts: Counter[str] = Counter()
    fit, validate = LinearProbe.fit, supervised._validate

    def counting_fit(self: LinearProbe, *arguments: object) -> LinearProbe:
        counts["probes"] += 1
        return fit(self, *arguments)

    def counting_validate(*arguments: object) -> object:
        counts["states"] += 1
        return validate(*arguments)

    monkeypatch.setattr(LinearProbe, "fit", counting_fit)
    monkeypatch.setattr(supervised, "_validate", counting_validate)
    return counts


@pytest.mark.parametrize(
    ("arm", "probes", "states"),
    [
        ("simclr-probe", 12, 0),
        ("classical", 12, 0),
        ("supervised", 0, 12),
        ("simclr-finetune", 6, 6),
        ("simclr-distillation", 6, 6),
    ],
)
def test_an_arm_compares_as_many_candidates_as_it_may(
    context: ArmContext, counted: Counter[str], arm: str, probes: int, states: int
) -> None:
    outcome = ARMS[arm].run(
        context, draw_labels(context.task, Budget.parse("5/class"), 0), 0, context.task.val
    )
    # The probe itself is validated once more, to be compared with the fine-tuned network.
    again = 1 if arm in ("simclr-finetune", "simclr-distillation") else 0
    assert counted == Counter({"probes": probes, "states": states + again})
    assert outcome.candidates == SETTINGS.candidates


@pytest.mark.parametrize("arm", ["simclr-fixmatch", "simclr-mean-teacher"])
def test_arms_that_keep_their_last_state_compare_fewer(context: ArmContext, arm: str) -> None:
    outcome = ARMS[arm].run(
        context, draw_labels(context.task, Budget.parse("5/class"), 0), 0, context.task.val
    )
    assert outcome.candidates == 6 + 2


def test_a_3d_network_learns_to_see_a_lesion_in_volumes(volumes: Task) -> None:
    context = context_of(volumes, PLAIN.model_copy(update={"spatial_dims": 3}), steps=40)
    outcome = ARMS["simclr-finetune"].run(
        context, draw_labels(volumes, Budget.parse("all"), 0), 0, volumes.test
    )
    assert roc_auc_score(volumes.truth[volumes.test], outcome.probability) > 0.8
