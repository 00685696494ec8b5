"""Arms that fit a linear model, neighbors or a graph on frozen features."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from medcl.finetune.arms.base import ArmContext, ArmResult, Weights
from medcl.finetune.budgets import LabeledScans
from medcl.finetune.calibration import fit_temperature
from medcl.finetune.classifier import Classifier
from medcl.finetune.knn import centered, fit_neighbors, neighbor_counts
from medcl.finetune.label_spreading import spread_labels
from medcl.finetune.probe import LinearProbe, fit_probe
from medcl.finetune.task import Task


def probe(context: ArmContext, labeled: LabeledScans, seed: int, rows: np.ndarray) -> ArmResult:
    """Fit a linear probe on the pretrained encoder."""
    return _probe(context, "pretrained", labeled, rows)


def knn(context: ArmContext, labeled: LabeledScans, seed: int, rows: np.ndarray) -> ArmResult:
    """Let the nearest labeled scans under the pretrained encoder vote; votes are not calibrated."""
    features, candidates = centered(context.features(), context.task), context.training.candidates
    classifier = fit_neighbors(features, context.task, labeled, candidates)
    compared = len(neighbor_counts(len(labeled.train), candidates))
    probability = classifier.predict_proba(features[rows])[:, 1]
    return ArmResult(None, probability, {"k": classifier.n_neighbors}, compared)


def spread(context: ArmContext, labeled: LabeledScans, seed: int, rows: np.ndarray) -> ArmResult:
    """Spread labels over all training scans by similarity under the pretrained encoder."""
    task, candidates = context.task, context.training.candidates
    logits, alpha = spread_labels(context.graph, task, labeled, candidates)
    temperature = fit_temperature(task.truth[labeled.val], logits[labeled.val])
    selected = {"alpha": alpha, "temperature": temperature}
    return ArmResult(None, expit(logits[rows] / temperature), selected, candidates)


def random_probe(context: ArmContext, labeled: LabeledScans, seed: int, rows: np.ndarray) -> ArmResult:
    """Fit a linear probe on a frozen encoder with random weights."""
    return _probe(context, seed, labeled, rows)


def external_probe(context: ArmContext, labeled: LabeledScans, seed: int, rows: np.ndarray) -> ArmResult:
    """Fit a linear probe on the encoder with external weights."""
    return _probe(context, "external", labeled, rows)


def fit_calibrated_probe(
    features: np.ndarray, task: Task, labeled: LabeledScans, candidates: int
) -> tuple[LinearProbe, dict[str, float]]:
    """Fit logistic regression and its temperature; return it and what was selected on validation.

    Args:
        features: (scans of the store, F).
        task: Task to learn.
        labeled: Rows whose labels may be used.
        candidates: Values of C to compare on the validation scans.
    """
    classifier = fit_probe(features, task, labeled, candidates)
    temperature = fit_temperature(task.truth[labeled.val], classifier.logits(features[labeled.val]))
    classifier.divide(temperature)
    return classifier, {"C": classifier.C, "temperature": temperature}


def _probe(context: ArmContext, weights: Weights, labeled: LabeledScans, rows: np.ndarray) -> ArmResult:
    features, candidates = context.features(weights), context.training.candidates
    fitted, selected = fit_calibrated_probe(features, context.task, labeled, candidates)
    classifier = Classifier.from_probe(context.encoder(weights), fitted)
    return ArmResult(classifier, expit(fitted.logits(features[rows])), selected, candidates)
