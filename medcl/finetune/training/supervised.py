"""Training a classifier on the labeled scans: fine-tuning, and the supervised baseline."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from sklearn.metrics import log_loss
from torch import Tensor
from torch.nn import functional as F

from medcl.finetune.budgets import LabeledScans
from medcl.finetune.classifier import Classifier, predict
from medcl.finetune.features import Images
from medcl.finetune.selection import auroc, raises_auroc
from medcl.finetune.task import Task
from medcl.finetune.training.config import TrainingConfig
from medcl.finetune.training.loop import (
    Checkpoint,
    TrainingRun,
    Validation,
    layer_groups,
    train_and_select,
)
from medcl.pretrain import Encoder
from medcl.store import Store
from medcl.views import ViewBatch


@dataclass(frozen=True)
class TrainingInputs:
    """Data and presentation for training a network; see `train_classifier` for each part."""

    task: Task
    labeled: LabeledScans
    images: Images
    config: TrainingConfig
    seed: int


class Objective:
    """Loss of a training step: cross-entropy of the labeled scans, both classes counting the same.

    Semi-supervised training adds terms of its own (`medcl.finetune.training.semi_supervised`).

    Args:
        classifier: The network that is trained.
        inputs: What it is trained on.
    """

    keeps_last = False
    """Keep the last state at each learning rate, not the best on validation."""

    def __init__(self, classifier: Classifier, inputs: TrainingInputs) -> None:
        self.classifier = classifier
        self.truth = torch.tensor(inputs.task.truth, dtype=torch.float32)
        positives = float(self.truth[inputs.labeled.train].mean())
        self.weight = torch.tensor([0.5 / (1 - positives), 0.5 / positives])

    def loss(self, batch: ViewBatch) -> Tensor:
        """Return the loss of a batch of labeled scans."""
        truth = self.truth[batch.rows]
        return F.binary_cross_entropy_with_logits(
            self.classifier(batch.data), truth, self.weight[truth.long()]
        )

    def on_step_end(self) -> None:
        """Update the objective's own state after the optimizer has moved the classifier."""

    @property
    def selected(self) -> Classifier:
        """The network whose states are compared on the validation scans."""
        return self.classifier


def train_classifier(
    start: Encoder | Classifier,
    task: Task,
    labeled: LabeledScans,
    images: Images,
    config: TrainingConfig,
    seed: int,
    objective: type[Objective] = Objective,
    candidates: int | None = None,
    **options: Any,
) -> tuple[Classifier, dict[str, float]]:
    """Train a classifier, its state selected on the labeled validation scans.

    Args:
        start: An encoder, which gets new pooling and a new head and learns at one rate; or a classifier
            whose head fits its encoder already, such as a linear probe (Kumar et al. 2022): it learns with
            `layer_decay`, and is returned as it was unless training `raises_auroc` on the validation scans.
        task: Scans and truth.
        labeled: Rows whose labels may be used.
        images: How scans are shown.
        config: Steps, learning rates, candidates.
        seed: Random seed of the views and their order.
        objective: Class of the loss.
        candidates: States to compare on the validation scans; `config.candidates` when not given.
        **options: Further arguments of the objective.

    Returns:
        The best classifier in evaluation mode, and what was selected: `lr`, `step`, `val_auroc`, and among
        how many states, `candidates`.

    Raises:
        WorkFailed: The validation loss is never finite.
    """
    fresh = isinstance(start, Encoder)
    initial = Classifier(start, config.pooling, seed) if isinstance(start, Encoder) else start
    layer_decay = 1.0 if fresh else config.layer_decay
    inputs = TrainingInputs(task, labeled, images, config, seed)

    def start_run(lr: float) -> TrainingRun:
        classifier = copy.deepcopy(initial).requires_grad_(True)
        return _training_run(objective(classifier, inputs, **options), inputs, lr, layer_decay)

    each = max(1, (candidates or config.candidates) // len(config.learning_rates))
    evaluations = 1 if objective.keeps_last else each
    best, compared = train_and_select(start_run, config.learning_rates, config.steps, evaluations)
    if not fresh and not objective.keeps_last:
        before = Checkpoint.of(initial, _validate(initial, inputs))
        truth = task.truth[labeled.val]
        if not raises_auroc(truth, before.validation.probability, best.validation.probability):
            best = before
    classifier = copy.deepcopy(initial)
    classifier.load_state_dict(best.weights)
    return classifier.eval(), {
        "lr": best.lr,
        "step": best.step,
        "val_auroc": best.validation.score[0],
        "candidates": compared,
    }


def _training_run(objective: Objective, inputs: TrainingInputs, lr: float, layer_decay: float) -> TrainingRun:
    classifier, config = objective.classifier, inputs.config

    def loss(batch: ViewBatch) -> Tensor:
        classifier.train()
        return objective.loss(batch)

    return TrainingRun(
        network=objective.selected,
        groups=layer_groups(
            classifier.pooling_and_head, classifier.encoder, config.weight_decay, lr, layer_decay
        ),
        batches=infinite_batches(
            inputs.task.store, inputs.labeled.train, inputs.images, config.batch_size, inputs.seed
        ),
        loss=loss,
        validate=lambda: _validate(objective.selected, inputs),
        on_step_end=objective.on_step_end,
    )


def _validate(classifier: Classifier, inputs: TrainingInputs) -> Validation:
    """Score a classifier by its AUROC on the labeled validation scans, then by its negative log loss."""
    rows = inputs.labeled.val
    truth = inputs.task.truth[rows]
    probability = predict(classifier, inputs.task.store, rows, inputs.images)
    score = auroc(truth, probability), -float(log_loss(truth, probability, labels=[0, 1]))
    return Validation(score, probability)


def infinite_batches(
    store: Store,
    rows: np.ndarray,
    images: Images,
    batch_size: int,
    seed: int,
    draw: Literal["bag", "whole"] = "bag",
) -> Iterator[ViewBatch]:
    """Yield shuffled batches of views of `rows`, augmented (`bag`) or not (`whole`), epoch after epoch.

    Both come in the same order for the same rows and seed.
    """
    loader = images.loader(store, rows, batch_size=min(batch_size, len(rows)), seed=seed, draw=draw)
    return loader.steps(0)
