"""Arms that train a network."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from medcl.finetune.arms.base import Bench, Outcome, Weights
from medcl.finetune.budgets import Labelled
from medcl.finetune.calibration import fit_temperature
from medcl.finetune.classifier import Classifier, predict, predict_logits
from medcl.finetune.probe import fit_probe
from medcl.finetune.semi_supervised import Distillation, FixMatch, MeanTeacher
from medcl.finetune.training import Objective, train_classifier
from medcl.pretrain.networks.encoders import Encoder


def finetune(bench: Bench, labelled: Labelled, seed: int, rows: np.ndarray) -> Outcome:
    """Train the whole network from the linear probe on the pretrained encoder (Kumar et al. 2022)."""
    return _from_probe(bench, labelled, seed, rows)


def outside_finetune(bench: Bench, labelled: Labelled, seed: int, rows: np.ndarray) -> Outcome:
    """Fine-tune another library's weights as the pretrained ones are: transfer learning as people know it."""
    return _from_probe(bench, labelled, seed, rows, weights="outside")


def fixmatch(bench: Bench, labelled: Labelled, seed: int, rows: np.ndarray) -> Outcome:
    """Fine-tune with pseudo-labels of the unlabelled scans."""
    return _from_probe(bench, labelled, seed, rows, FixMatch)


def mean_teacher(bench: Bench, labelled: Labelled, seed: int, rows: np.ndarray) -> Outcome:
    """Fine-tune in agreement with the network's own running average on the unlabelled scans."""
    return _from_probe(bench, labelled, seed, rows, MeanTeacher)


def distil(bench: Bench, labelled: Labelled, seed: int, rows: np.ndarray) -> Outcome:
    """Train a student on what the fine-tuned network says of the unlabelled scans."""
    start, config = _probed(bench, labelled), bench.training
    left = config.trials - config.probe_trials - len(config.learning_rates)
    teacher, told = train_classifier(start, bench.task, labelled, bench.images, config, seed, trials=left)
    taught = partial(Distillation, teacher=teacher)
    return _network(bench, start, labelled, seed, rows, taught, config.probe_trials + int(told["trials"]))


def supervised(bench: Bench, labelled: Labelled, seed: int, rows: np.ndarray) -> Outcome:
    """Train the same network from random weights: the baseline."""
    return _network(bench, bench.encoder(seed), labelled, seed, rows)


def _probed(bench: Bench, labelled: Labelled, weights: Weights = None) -> Classifier:
    pooling, trials = bench.training.pooling, bench.training.probe_trials
    fitted = fit_probe(bench.features(weights, pooling), bench.task, labelled, trials)
    return Classifier.from_probe(bench.encoder(weights), fitted, pooling)


def _network(
    bench: Bench,
    start: Encoder | Classifier,
    labelled: Labelled,
    seed: int,
    rows: np.ndarray,
    objective: Callable[..., Objective] = Objective,
    spent: int = 0,
) -> Outcome:
    """Train with the trials that are left after `spent`, and calibrate."""
    task, val, left = bench.task, labelled.val, bench.training.trials - spent
    classifier, chosen = train_classifier(
        start, task, labelled, bench.images, bench.training, seed, objective, left
    )
    spent += int(chosen.pop("trials"))
    logits = predict_logits(classifier, task.store, val, bench.images)
    chosen["temperature"] = fit_temperature(task.truth[val], logits)
    classifier.temperature.fill_(chosen["temperature"])
    return Outcome(classifier, predict(classifier, task.store, rows, bench.images), chosen, spent)


def _from_probe(
    bench: Bench,
    labelled: Labelled,
    seed: int,
    rows: np.ndarray,
    objective: type[Objective] = Objective,
    weights: Weights = None,
) -> Outcome:
    start, spent = _probed(bench, labelled, weights), bench.training.probe_trials
    return _network(bench, start, labelled, seed, rows, objective, spent)
