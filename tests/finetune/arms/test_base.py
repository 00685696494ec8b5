"""What arms share: encoders and features by their weights."""

from __future__ import annotations

import numpy as np
import pytest

from medcl.errors import UsageError
from medcl.finetune import (
    ArmContext,
    Budget,
    Task,
    draw_labels,
)
from medcl.pretrain import build_encoder
from tests.finetune.samples import ARMS, PLAIN, TRAINING


def test_external_weights_take_the_place_of_the_pretrained_ones(task: Task, context: ArmContext) -> None:
    labeled = draw_labels(task, Budget.parse("5/class"), 0)
    few = TRAINING.model_copy(update={"steps": 2, "candidates": 4, "learning_rates": (1e-3,)})
    elsewhere = build_encoder(PLAIN, 7).eval()
    external = ArmContext(task, context.images, few, context.pretrained, PLAIN, elsewhere)
    same = ArmContext(task, context.images, few, elsewhere, PLAIN)
    for name in ("probe", "finetune"):
        probability = ARMS[f"external-{name}"].run(external, labeled, 0, task.test).probability
        expected = ARMS[f"simclr-{name}"].run(same, labeled, 0, task.test).probability
        np.testing.assert_array_equal(probability, expected)
        with pytest.raises(UsageError, match="external_weights"):
            ARMS[f"external-{name}"].run(context, labeled, 0, task.test)
