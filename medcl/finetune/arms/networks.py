"""Arms that train a network."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from medcl.finetune.arms.base import ArmContext, ArmResult, Weights
from medcl.finetune.budgets import Labeled
from medcl.finetune.calibration import fit_temperature
from medcl.finetune.classifier import Classifier, predict, predict_logits
from medcl.finetune.probe import fit_probe
from medcl.finetune.semi_supervised import Distillation, FixMatch, MeanTeacher
from medcl.finetune.training import Objective, train_classifier
from medcl.pretrain.networks.encoders import Encoder


def finetune(context: ArmContext, labeled: Labeled, seed: int, rows: np.ndarray) -> ArmResult:
    """Train the whole network from the linear probe on the pretrained encoder (Kumar et al. 2022)."""
    return _from_probe(context, labeled, seed, rows)


def external_finetune(context: ArmContext, labeled: Labeled, seed: int, rows: np.ndarray) -> ArmResult:
    """Fine-tune another library's weights as the pretrained ones are: transfer learning as people know it."""
    return _from_probe(context, labeled, seed, rows, weights="outside")


def fixmatch(context: ArmContext, labeled: Labeled, seed: int, rows: np.ndarray) -> ArmResult:
    """Fine-tune with pseudo-labels of the unlabeled scans."""
    return _from_probe(context, labeled, seed, rows, FixMatch)


def mean_teacher(context: ArmContext, labeled: Labeled, seed: int, rows: np.ndarray) -> ArmResult:
    """Fine-tune in agreement with the network's own running average on the unlabeled scans."""
    return _from_probe(context, labeled, seed, rows, MeanTeacher)


def distil(context: ArmContext, labeled: Labeled, seed: int, rows: np.ndarray) -> ArmResult:
    """Train a student on what the fine-tuned network says of the unlabeled scans."""
    start, config = _probed(context, labeled), context.training
    left = config.candidates - config.probe_candidates - len(config.learning_rates)
    teacher, told = train_classifier(
        start, context.task, labeled, context.images, config, seed, candidates=left
    )
    taught = partial(Distillation, teacher=teacher)
    return _network(
        context, start, labeled, seed, rows, taught, config.probe_candidates + int(told["candidates"])
    )


def supervised(context: ArmContext, labeled: Labeled, seed: int, rows: np.ndarray) -> ArmResult:
    """Train the same network from random weights: the baseline."""
    return _network(context, context.encoder(seed), labeled, seed, rows)


def _probed(context: ArmContext, labeled: Labeled, weights: Weights = None) -> Classifier:
    pooling, candidates = context.training.pooling, context.training.probe_candidates
    fitted = fit_probe(context.features(weights, pooling), context.task, labeled, candidates)
    return Classifier.from_probe(context.encoder(weights), fitted, pooling)


def _network(
    context: ArmContext,
    start: Encoder | Classifier,
    labeled: Labeled,
    seed: int,
    rows: np.ndarray,
    objective: Callable[..., Objective] = Objective,
    spent: int = 0,
) -> ArmResult:
    """Train with the candidates that are left after `spent`, and calibrate."""
    task, val, left = context.task, labeled.val, context.training.candidates - spent
    classifier, chosen = train_classifier(
        start, task, labeled, context.images, context.training, seed, objective, left
    )
    spent += int(chosen.pop("candidates"))
    logits = predict_logits(classifier, task.store, val, context.images)
    chosen["temperature"] = fit_temperature(task.truth[val], logits)
    classifier.temperature.fill_(chosen["temperature"])
    return ArmResult(classifier, predict(classifier, task.store, rows, context.images), chosen, spent)


def _from_probe(
    context: ArmContext,
    labeled: Labeled,
    seed: int,
    rows: np.ndarray,
    objective: type[Objective] = Objective,
    weights: Weights = None,
) -> ArmResult:
    start, spent = _probed(context, labeled, weights), context.training.probe_candidates
    return _network(context, start, labeled, seed, rows, objective, spent)
