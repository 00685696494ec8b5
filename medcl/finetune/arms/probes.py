"""Arms that fit a linear model, neighbors or a graph on frozen features."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from medcl.finetune.arms.base import ArmContext, ArmResult, Weights
from medcl.finetune.budgets import Labeled
from medcl.finetune.calibration import fit_temperature
from medcl.finetune.classifier import Classifier
from medcl.finetune.knn import centered, fit_neighbors, numbers_to_try
from medcl.finetune.label_spreading import spread_labels
from medcl.finetune.probe import LinearProbe, fit_probe
from medcl.finetune.task import Task


def probe(context: ArmContext, labeled: Labeled, seed: int, rows: np.ndarray) -> ArmResult:
    """Linear probe on the pretrained encoder."""
    return _probe(context, None, labeled, rows)


def knn(context: ArmContext, labeled: Labeled, seed: int, rows: np.ndarray) -> ArmResult:
    """Vote of the nearest labeled scans under the pretrained encoder; votes are not calibrated."""
    features, candidates = centered(context.features(), context.task), context.training.candidates
    vote = fit_neighbors(features, context.task, labeled, candidates)
    compared = len(numbers_to_try(len(labeled.train), candidates))
    return ArmResult(None, vote.predict_proba(features[rows])[:, 1], {"k": vote.n_neighbors}, compared)


def spread(context: ArmContext, labeled: Labeled, seed: int, rows: np.ndarray) -> ArmResult:
    """Labels that spread over all training scans by likeness under the pretrained encoder."""
    task, candidates = context.task, context.training.candidates
    logits, alpha = spread_labels(context.graph, task, labeled, candidates)
    temperature = fit_temperature(task.truth[labeled.val], logits[labeled.val])
    chosen = {"alpha": alpha, "temperature": temperature}
    return ArmResult(None, expit(logits[rows] / temperature), chosen, candidates)


def random_probe(context: ArmContext, labeled: Labeled, seed: int, rows: np.ndarray) -> ArmResult:
    """Linear probe on a frozen encoder with random weights: the control that costs nothing."""
    return _probe(context, seed, labeled, rows)


def external_probe(context: ArmContext, labeled: Labeled, seed: int, rows: np.ndarray) -> ArmResult:
    """Linear probe on the encoder with another library's weights."""
    return _probe(context, "outside", labeled, rows)


def _probe(context: ArmContext, weights: Weights, labeled: Labeled, rows: np.ndarray) -> ArmResult:
    features, candidates = context.features(weights), context.training.candidates
    fitted, chosen = _logistic(features, context.task, labeled, candidates)
    classifier = Classifier.from_probe(context.encoder(weights), fitted)
    return ArmResult(classifier, expit(fitted.logits(features[rows])), chosen, candidates)


def _logistic(
    features: np.ndarray, task: Task, labeled: Labeled, candidates: int
) -> tuple[LinearProbe, dict[str, float]]:
    """Fit logistic regression and its temperature; return it and what was chosen."""
    fitted = fit_probe(features, task, labeled, candidates)
    temperature = fit_temperature(task.truth[labeled.val], fitted.logits(features[labeled.val]))
    fitted.divide(temperature)
    return fitted, {"C": fitted.C, "temperature": temperature}
