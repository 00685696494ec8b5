"""Controls and baselines without a network, which show what the result of an arm is worth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.special import expit

from medcl.finetune.arms.base import ArmContext, ArmResult, FeatureFunction
from medcl.finetune.arms.probes import fit_calibrated_probe
from medcl.finetune.budgets import LabeledScans


def shuffled_labels(context: ArmContext, labeled: LabeledScans, seed: int, rows: np.ndarray) -> ArmResult:
    """Fit the linear probe to shuffled labels: anything above chance is a leak."""
    truth, generator = context.task.truth.copy(), np.random.default_rng(seed)
    for part in (labeled.train, labeled.val):
        truth[part] = generator.permutation(truth[part])
    task, candidates = replace(context.task, truth=truth), context.training.candidates
    fitted, selected = fit_calibrated_probe(context.features(), task, labeled, candidates)
    return ArmResult(None, expit(fitted.logits(context.features()[rows])), selected, candidates)


def probe_without_network(
    compute: FeatureFunction,
    context: ArmContext,
    labeled: LabeledScans,
    seed: int,
    rows: np.ndarray,
) -> ArmResult:
    """Fit logistic regression, selected as the linear probe is, to features that need no network."""
    features, candidates = context.features_without_network(compute), context.training.candidates
    fitted, selected = fit_calibrated_probe(features, context.task, labeled, candidates)
    probability = expit(fitted.logits(features[rows]))
    return ArmResult(None, probability, selected, candidates, features.shape[1] + 1)
