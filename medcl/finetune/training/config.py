"""Configuration that every arm that trains a network shares."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveInt, model_validator

from medcl.config import Config
from medcl.finetune.pooling import Pooling


class TrainingConfig(Config):
    """Configuration of training, the same for every arm that trains a network.

    Attributes:
        steps: Optimizer steps at each learning rate.
        batch_size: Labeled scans per step, at most as many as there are.
        learning_rates: Peak learning rates to compare.
        weight_decay: Weight decay of AdamW.
        candidates: Most candidates that an arm may compare on its validation scans, the same for every arm:
            states of a network, equally many at each learning rate; strengths of a logistic regression;
            numbers of neighbors; values of alpha in label spreading. Arms that fine-tune use half of them
            for the probe that they start from.
        pooling: How slices of a volume are pooled: their maximum, gated attention, or a recurrent network
            that reads them in order. Probes that are not trained further take the maximum.
        layer_decay: Factor by which each stage of a pretrained network learns slower than the one above it
            (Howard & Ruder 2018, section 3.2); networks from random weights learn at one rate.
    """

    steps: PositiveInt = 150
    batch_size: PositiveInt = 32
    learning_rates: tuple[float, ...] = (1e-3, 3e-4)
    weight_decay: float = 1e-2
    candidates: PositiveInt = 20
    pooling: Pooling = "max"
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 0.8

    @model_validator(mode="after")
    def _check_candidates(self) -> TrainingConfig:
        if self.candidates < 2 * len(self.learning_rates):
            raise ValueError("candidates: at least two for each learning rate")
        return self

    @property
    def probe_candidates(self) -> int:
        """Candidates that arms which fine-tune use for their probe."""
        return self.candidates // 2
