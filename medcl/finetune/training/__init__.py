"""Training networks on the labeled scans: configuration, loop, and the objectives of each arm."""

from medcl.finetune.training.config import TrainingConfig
from medcl.finetune.training.loop import (
    Checkpoint,
    TrainingRun,
    Validation,
    evaluation_steps,
    layer_groups,
    train_and_select,
    train_steps,
)
from medcl.finetune.training.semi_supervised import Distillation, FixMatch, MeanTeacher
from medcl.finetune.training.supervised import (
    Objective,
    TrainingInputs,
    infinite_batches,
    train_classifier,
)

__all__ = [
    "Checkpoint",
    "Distillation",
    "FixMatch",
    "MeanTeacher",
    "Objective",
    "TrainingConfig",
    "TrainingInputs",
    "TrainingRun",
    "Validation",
    "evaluation_steps",
    "infinite_batches",
    "layer_groups",
    "train_and_select",
    "train_classifier",
    "train_steps",
]
