"""The search budget: every arm compares the same number of candidates on validation, and says how many."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from pydantic import ValidationError

from medcl.finetune import Budget, Images, Task, TrainingConfig, draw_labels, training
from medcl.finetune.arms.base import ArmContext
from medcl.finetune.arms.registry import ARMS
from medcl.finetune.cells import plan_cells, run_cells
from medcl.finetune.probe import LinearProbe
from medcl.pretrain import EncoderConfig, build_encoder
from medcl.views import load_policy

NETWORK = EncoderConfig(name="resnet10", width=8, stem="compact")
SETTINGS = TrainingConfig(steps=8, batch_size=8, learning_rates=(1e-3, 3e-4), candidates=12)


@pytest.fixture(scope="module")
def context(task: Task) -> ArmContext:
    return ArmContext(
        task, Images(load_policy("cxr"), 32, 1), SETTINGS, build_encoder(NETWORK, 0).eval(), NETWORK
    )


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count fitted probes and states held against validation, where they are made."""
    seen: Counter[str] = Counter()
    fit, state = LinearProbe.fit, training._state

    def counting_fit(self: LinearProbe, *arguments: object) -> LinearProbe:
        seen["probes"] += 1
        return fit(self, *arguments)

    def counting_state(*arguments: object) -> object:
        seen["states"] += 1
        return state(*arguments)

    monkeypatch.setattr(LinearProbe, "fit", counting_fit)
    monkeypatch.setattr(training, "_state", counting_state)
    return seen


@pytest.mark.parametrize(
    ("arm", "probes", "states"),
    [("probe", 12, 0), ("classical", 12, 0), ("supervised", 0, 12), ("finetune", 6, 6), ("distil", 6, 6)],
)
def test_an_arm_compares_as_many_candidates_as_it_may(
    context: ArmContext, counted: Counter[str], arm: str, probes: int, states: int
) -> None:
    outcome = ARMS[arm](context, draw_labels(context.task, Budget.parse("5/class"), 0), 0, context.task.val)
    again = 1 if arm in ("finetune", "distil") else 0  # the probe itself, held against the network once more
    assert counted == Counter({"probes": probes, "states": states + again})
    assert outcome.candidates == SETTINGS.candidates


@pytest.mark.parametrize("arm", ["fixmatch", "mean-teacher"])
def test_arms_that_keep_their_last_state_compare_fewer(context: ArmContext, arm: str) -> None:
    outcome = ARMS[arm](context, draw_labels(context.task, Budget.parse("5/class"), 0), 0, context.task.val)
    assert outcome.candidates == 6 + 2


def test_states_are_spread_over_training_and_the_last_is_among_them(context: ArmContext) -> None:
    lesson = training.TrainingInputs(context.task, None, context.images, SETTINGS, 0, 3)
    assert training._held(training.Objective, lesson) == {2, 5, 8}


def test_costs_tell_the_trials(context: ArmContext, tmp_path: Path) -> None:
    cells = plan_cells(["simclr-probe", "supervised"], [Budget.parse("5/class")], [0], "simclr")
    _, costs = run_cells(context, cells, tmp_path, "simclr")
    assert costs["candidates"].tolist() == [12, 12]


def test_configurations_that_told_evaluations_mean_the_same() -> None:
    old = {"learning_rates": (1e-3, 3e-4), "evaluations": 5}
    assert TrainingConfig(**old) == TrainingConfig(learning_rates=(1e-3, 3e-4), candidates=20)
    assert TrainingConfig(evaluations=5) == TrainingConfig()
    with pytest.raises(ValidationError, match="at least two for each learning rate"):
        TrainingConfig(learning_rates=(1e-3, 3e-4), candidates=3)
    with pytest.raises(ValidationError, match="evaluations"):
        TrainingConfig(evaluations="often")
