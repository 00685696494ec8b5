"""Few labels: probes and networks trained on them, and the cells of a study."""

from medcl.finetune.budgets import Budget, draw_labels
from medcl.finetune.classifier import Classifier, predict
from medcl.finetune.features import Images, extract_features
from medcl.finetune.probe import LinearProbe, fit_probe
from medcl.finetune.task import ClassConfig, Task, make_task
from medcl.finetune.training import TrainingConfig, train_classifier

__all__ = [
    "Budget",
    "ClassConfig",
    "Classifier",
    "Images",
    "LinearProbe",
    "Task",
    "TrainingConfig",
    "draw_labels",
    "extract_features",
    "fit_probe",
    "make_task",
    "predict",
    "train_classifier",
]
