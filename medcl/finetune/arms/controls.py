"""Arms that show what a result is worth: controls and baselines without a network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.special import expit

from medcl.finetune.arms.base import ArmContext, ArmResult, Table
from medcl.finetune.arms.probes import _logistic
from medcl.finetune.budgets import Labeled


def shuffled_labels(context: ArmContext, labeled: Labeled, seed: int, rows: np.ndarray) -> ArmResult:
    """Linear probe on the pretrained encoder, taught shuffled labels: chance, or there is a leak."""
    shuffled, generator = context.task.truth.copy(), np.random.default_rng(seed)
    for part in (labeled.train, labeled.val):
        shuffled[part] = generator.permutation(shuffled[part])
    task, candidates = replace(context.task, truth=shuffled), context.training.candidates
    fitted, chosen = _logistic(context.features(), task, labeled, candidates)
    return ArmResult(None, expit(fitted.logits(context.features()[rows])), chosen, candidates)


def _from_table(
    describe: Table, context: ArmContext, labeled: Labeled, seed: int, rows: np.ndarray
) -> ArmResult:
    """Logistic regression, chosen as the linear probe is, on columns that need no network."""
    columns, candidates = context.table(describe), context.training.candidates
    fitted, chosen = _logistic(columns, context.task, labeled, candidates)
    return ArmResult(None, expit(fitted.logits(columns[rows])), chosen, candidates, columns.shape[1] + 1)
