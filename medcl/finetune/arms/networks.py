"""Arms that train a network."""

from __future__ import annotations

from typing import Any

import numpy as np

from medcl.finetune.arms.base import ArmContext, ArmResult, Weights
from medcl.finetune.budgets import LabeledScans
from medcl.finetune.calibration import fit_temperature
from medcl.finetune.classifier import Classifier, predict, predict_logits
from medcl.finetune.probe import fit_probe
from medcl.finetune.training import Distillation, FixMatch, MeanTeacher, Objective, train_classifier
from medcl.pretrain import Encoder


def finetune(context: ArmContext, labeled: LabeledScans, seed: int, rows: np.ndarray) -> ArmResult:
    """Train the whole network from the linear probe on the pretrained encoder (Kumar et al. 2022)."""
    return _finetune(context, labeled, seed, rows)


def external_finetune(context: ArmContext, labeled: LabeledScans, seed: int, rows: np.ndarray) -> ArmResult:
    """Fine-tune external weights as the pretrained ones are: conventional transfer learning."""
    return _finetune(context, labeled, seed, rows, weights="external")


def fixmatch(context: ArmContext, labeled: LabeledScans, seed: int, rows: np.ndarray) -> ArmResult:
    """Fine-tune with pseudo-labels of the unlabeled scans."""
    return _finetune(context, labeled, seed, rows, FixMatch)


def mean_teacher(context: ArmContext, labeled: LabeledScans, seed: int, rows: np.ndarray) -> ArmResult:
    """Fine-tune in agreement with the network's own running average on the unlabeled scans."""
    return _finetune(context, labeled, seed, rows, MeanTeacher)


def distillation(context: ArmContext, labeled: LabeledScans, seed: int, rows: np.ndarray) -> ArmResult:
    """Train a student on the fine-tuned network's predictions of the unlabeled scans."""
    start, config = _probe_classifier(context, labeled), context.training
    candidates = config.candidates - config.probe_candidates - len(config.learning_rates)
    teacher, selected = train_classifier(
        start, context.task, labeled, context.images, config, seed, candidates=candidates
    )
    compared = config.probe_candidates + int(selected["candidates"])
    return _train(context, start, labeled, seed, rows, Distillation, compared, teacher=teacher)


def supervised(context: ArmContext, labeled: LabeledScans, seed: int, rows: np.ndarray) -> ArmResult:
    """Train the same network from random weights."""
    return _train(context, context.encoder(seed), labeled, seed, rows)


def _probe_classifier(
    context: ArmContext, labeled: LabeledScans, weights: Weights = "pretrained"
) -> Classifier:
    pooling, candidates = context.training.pooling, context.training.probe_candidates
    probe = fit_probe(context.features(weights, pooling), context.task, labeled, candidates)
    return Classifier.from_probe(context.encoder(weights), probe, pooling)


def _train(
    context: ArmContext,
    start: Encoder | Classifier,
    labeled: LabeledScans,
    seed: int,
    rows: np.ndarray,
    objective: type[Objective] = Objective,
    compared: int = 0,
    **options: Any,
) -> ArmResult:
    """Train with the candidates that remain after the `compared` ones, and calibrate."""
    task, val, remaining = context.task, labeled.val, context.training.candidates - compared
    classifier, selected = train_classifier(
        start, task, labeled, context.images, context.training, seed, objective, remaining, **options
    )
    compared += int(selected.pop("candidates"))
    logits = predict_logits(classifier, task.store, val, context.images)
    selected["temperature"] = fit_temperature(task.truth[val], logits)
    classifier.temperature.fill_(selected["temperature"])
    return ArmResult(classifier, predict(classifier, task.store, rows, context.images), selected, compared)


def _finetune(
    context: ArmContext,
    labeled: LabeledScans,
    seed: int,
    rows: np.ndarray,
    objective: type[Objective] = Objective,
    weights: Weights = "pretrained",
) -> ArmResult:
    start = _probe_classifier(context, labeled, weights)
    return _train(context, start, labeled, seed, rows, objective, context.training.probe_candidates)
