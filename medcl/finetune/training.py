"""Training a whole network on the labelled scans: fine-tuning, and the supervised baseline."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from pydantic import PositiveInt
from sklearn.metrics import log_loss
from torch import Tensor, nn
from torch.nn import functional as F

from medcl.config import Config
from medcl.finetune.budgets import Labelled
from medcl.finetune.features import Images, encode, whole_views
from medcl.finetune.probe import LinearProbe, auroc
from medcl.finetune.task import Task
from medcl.pretrain.encoders import Encoder
from medcl.pretrain.optimisers import cosine_rate
from medcl.store import Store
from medcl.views import ViewLoader


class TrainingConfig(Config):
    """Given alike to every arm that trains a network.

    Attributes:
        steps: optimiser steps of each trial.
        batch_size: labelled scans a step, at most as many as there are.
        learning_rates: the search space; each is one trial, chosen between on validation.
        weight_decay: AdamW's.
        evaluations: how often a trial is held against the validation scans; its best state is kept.
    """

    steps: PositiveInt = 150
    batch_size: PositiveInt = 32
    learning_rates: tuple[float, ...] = (1e-3, 3e-4)
    weight_decay: float = 1e-2
    evaluations: PositiveInt = 5


class Classifier(nn.Module):
    """An encoder with a linear head.

    `forward` maps a bag of slices a scan, (B, K, C, H, W), to one logit a scan, (B,).
    """

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(encoder.feature_size, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    @classmethod
    def from_probe(cls, encoder: Encoder, probe: LinearProbe) -> Classifier:
        """Return the encoder with a linear probe as its head, in evaluation mode."""
        classifier = cls(copy.deepcopy(encoder))
        weight, bias = probe.as_linear()
        with torch.no_grad():
            classifier.head.weight.copy_(torch.as_tensor(weight)[None])
            classifier.head.bias.fill_(bias)
        return classifier.eval()

    def forward(self, views: Tensor) -> Tensor:
        logits: Tensor = self.head(encode(self.encoder, views)).squeeze(1)
        return logits


def train_classifier(
    encoder: Encoder,
    task: Task,
    labelled: Labelled,
    images: Images,
    config: TrainingConfig,
    seed: int,
) -> tuple[Classifier, dict[str, float]]:
    """Train a classifier from the weights of `encoder`, chosen on the labelled validation scans.

    Returns:
        The best classifier in evaluation mode, and what was chosen: `lr`, `step`, `val_auroc`.
    """
    trials = []
    for lr in config.learning_rates:
        classifier = Classifier(copy.deepcopy(encoder).requires_grad_(True))
        states = _train(classifier, task, labelled, images, config, lr, seed)
        trials.append(max(states, key=lambda state: state.score))
    best = max(trials, key=lambda state: state.score)
    chosen = Classifier(copy.deepcopy(encoder))
    chosen.load_state_dict(best.weights)
    return chosen.eval(), {"lr": best.lr, "step": best.step, "val_auroc": best.score[0]}


@dataclass(frozen=True)
class _State:
    score: tuple[float, float]
    """Validation AUROC, then negative log loss to break ties."""
    lr: float
    step: int
    weights: dict[str, Tensor]


def _train(
    classifier: Classifier,
    task: Task,
    labelled: Labelled,
    images: Images,
    config: TrainingConfig,
    lr: float,
    seed: int,
) -> Iterator[_State]:
    """Train once, yielding the state at each evaluation."""
    optimiser = torch.optim.AdamW(_groups(classifier, config.weight_decay), lr=lr)
    truth = torch.tensor(task.truth, dtype=torch.float32)
    share = float(truth[labelled.train].mean())
    weight = torch.tensor([0.5 / (1 - share), 0.5 / share])
    every = max(1, config.steps // config.evaluations)
    for step, batch in enumerate(_endless(task.store, labelled.train, images, config, seed)):
        if step == config.steps:
            return
        for group in optimiser.param_groups:
            group["lr"] = lr * cosine_rate(step, config.steps, 0.1 * config.steps)
        target = truth[batch.rows]
        classifier.train()
        loss = F.binary_cross_entropy_with_logits(classifier(batch.data), target, weight[target.long()])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if (step + 1) % every == 0:
            weights = {name: value.clone() for name, value in classifier.state_dict().items()}
            yield _State(_score(classifier, task, labelled.val, images), lr, step + 1, weights)


def _groups(module: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Biases and normalisation layers are not decayed."""
    parameters = list(module.parameters())
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


def _endless(store: Store, train: np.ndarray, images: Images, config: TrainingConfig, seed: int) -> Iterator:
    """Yield augmented batches of the labelled scans, epoch after epoch."""
    batch_size = min(config.batch_size, len(train))
    loader = ViewLoader(
        store,
        train,
        images.policy,
        size=images.size,
        batch_size=batch_size,
        seed=seed,
        draw="bag",
        count=images.slices,
    )
    epoch = 0
    while True:
        loader.set_epoch(epoch)
        yield from loader
        epoch += 1


def _score(classifier: Classifier, task: Task, val: np.ndarray, images: Images) -> tuple[float, float]:
    truth, probability = task.truth[val], predict(classifier, task.store, val, images)
    return auroc(truth, probability), -float(log_loss(truth, probability, labels=[0, 1]))


@torch.inference_mode()
def predict(
    classifier: Classifier, store: Store, rows: Sequence[int] | np.ndarray, images: Images
) -> np.ndarray:
    """Return the probability (n,) of the positive class for `rows` of the store, unaugmented."""
    classifier.eval()
    loader = whole_views(store, rows, images)
    return torch.cat([classifier(batch.data) for batch in loader]).double().sigmoid().numpy()
