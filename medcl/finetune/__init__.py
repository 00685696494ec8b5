"""Learning from few labels: tasks, label budgets, features, probes, training, and the cells of a study."""

from medcl.finetune.arms import ARMS, ArmContext, ArmResult, ArmSpec, arms_by_name, find_arms
from medcl.finetune.budgets import Budget, LabeledScans, draw_labels
from medcl.finetune.classifier import Classifier, predict
from medcl.finetune.experiment_cells import (
    ExperimentCell,
    plan_experiment_cells,
    run_experiment_cells,
)
from medcl.finetune.features import Images, extract_features, whole_views
from medcl.finetune.model import Model, ModelConfig
from medcl.finetune.near_duplicates import BITS_APART, COSINE, near_duplicates
from medcl.finetune.probe import LinearProbe, fit_probe
from medcl.finetune.selection import auroc, select_within_error
from medcl.finetune.task import ClassConfig, Task, make_task
from medcl.finetune.training import TrainingConfig, train_classifier

__all__ = [
    "ARMS",
    "BITS_APART",
    "COSINE",
    "ArmContext",
    "ArmResult",
    "ArmSpec",
    "Budget",
    "ClassConfig",
    "Classifier",
    "ExperimentCell",
    "Images",
    "LabeledScans",
    "LinearProbe",
    "Model",
    "ModelConfig",
    "Task",
    "TrainingConfig",
    "arms_by_name",
    "auroc",
    "draw_labels",
    "extract_features",
    "find_arms",
    "fit_probe",
    "make_task",
    "near_duplicates",
    "plan_experiment_cells",
    "predict",
    "run_experiment_cells",
    "select_within_error",
    "train_classifier",
    "whole_views",
]
