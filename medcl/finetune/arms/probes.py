"""Arms that fit a linear model, neighbours or a graph on frozen features."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from medcl.finetune.arms.base import Bench, Outcome, Weights
from medcl.finetune.budgets import Labelled
from medcl.finetune.calibration import fit_temperature
from medcl.finetune.classifier import Classifier
from medcl.finetune.knn import centred, fit_neighbours, numbers_to_try
from medcl.finetune.label_spreading import spread_labels
from medcl.finetune.probe import LinearProbe, fit_probe
from medcl.finetune.task import Task


def probe(bench: Bench, labelled: Labelled, seed: int, rows: np.ndarray) -> Outcome:
    """Linear probe on the pretrained encoder."""
    return _probe(bench, None, labelled, rows)


def knn(bench: Bench, labelled: Labelled, seed: int, rows: np.ndarray) -> Outcome:
    """Vote of the nearest labelled scans under the pretrained encoder; votes are not calibrated."""
    features, trials = centred(bench.features(), bench.task), bench.training.trials
    vote = fit_neighbours(features, bench.task, labelled, trials)
    compared = len(numbers_to_try(len(labelled.train), trials))
    return Outcome(None, vote.predict_proba(features[rows])[:, 1], {"k": vote.n_neighbors}, compared)


def spread(bench: Bench, labelled: Labelled, seed: int, rows: np.ndarray) -> Outcome:
    """Labels that spread over all training scans by likeness under the pretrained encoder."""
    task, trials = bench.task, bench.training.trials
    logits, alpha = spread_labels(bench.graph, task, labelled, trials)
    temperature = fit_temperature(task.truth[labelled.val], logits[labelled.val])
    chosen = {"alpha": alpha, "temperature": temperature}
    return Outcome(None, expit(logits[rows] / temperature), chosen, trials)


def random_probe(bench: Bench, labelled: Labelled, seed: int, rows: np.ndarray) -> Outcome:
    """Linear probe on a frozen encoder with random weights: the control that costs nothing."""
    return _probe(bench, seed, labelled, rows)


def outside_probe(bench: Bench, labelled: Labelled, seed: int, rows: np.ndarray) -> Outcome:
    """Linear probe on the encoder with another library's weights."""
    return _probe(bench, "outside", labelled, rows)


def _probe(bench: Bench, weights: Weights, labelled: Labelled, rows: np.ndarray) -> Outcome:
    features, trials = bench.features(weights), bench.training.trials
    fitted, chosen = _logistic(features, bench.task, labelled, trials)
    classifier = Classifier.from_probe(bench.encoder(weights), fitted)
    return Outcome(classifier, expit(fitted.logits(features[rows])), chosen, trials)


def _logistic(
    features: np.ndarray, task: Task, labelled: Labelled, trials: int
) -> tuple[LinearProbe, dict[str, float]]:
    """Fit logistic regression and its temperature; return it and what was chosen."""
    fitted = fit_probe(features, task, labelled, trials)
    temperature = fit_temperature(task.truth[labelled.val], fitted.logits(features[labelled.val]))
    fitted.divide(temperature)
    return fitted, {"C": fitted.C, "temperature": temperature}
