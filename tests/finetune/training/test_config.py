"""Configuration of training."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from medcl.finetune import (
    TrainingConfig,
)


def test_each_learning_rate_has_two_candidates_and_old_keys_are_refused() -> None:
    with pytest.raises(ValidationError, match="at least two for each learning rate"):
        TrainingConfig(learning_rates=(1e-3, 3e-4), candidates=3)
    with pytest.raises(ValidationError, match="unknown key 'evaluations'"):
        TrainingConfig(evaluations=5)
