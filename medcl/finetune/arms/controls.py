"""Arms that show what a result is worth: controls and baselines without a network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.special import expit

from medcl.finetune.arms.base import Bench, Outcome, Table
from medcl.finetune.arms.probes import _logistic
from medcl.finetune.budgets import Labelled


def shuffled_labels(bench: Bench, labelled: Labelled, seed: int, rows: np.ndarray) -> Outcome:
    """Linear probe on the pretrained encoder, taught shuffled labels: chance, or there is a leak."""
    shuffled, generator = bench.task.truth.copy(), np.random.default_rng(seed)
    for part in (labelled.train, labelled.val):
        shuffled[part] = generator.permutation(shuffled[part])
    task, trials = replace(bench.task, truth=shuffled), bench.training.trials
    fitted, chosen = _logistic(bench.features(), task, labelled, trials)
    return Outcome(None, expit(fitted.logits(bench.features()[rows])), chosen, trials)


def _from_table(describe: Table, bench: Bench, labelled: Labelled, seed: int, rows: np.ndarray) -> Outcome:
    """Logistic regression, chosen as the linear probe is, on columns that need no network."""
    columns, trials = bench.table(describe), bench.training.trials
    fitted, chosen = _logistic(columns, bench.task, labelled, trials)
    return Outcome(None, expit(fitted.logits(columns[rows])), chosen, trials, columns.shape[1] + 1)
