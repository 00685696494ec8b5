"""Training a whole network on the labeled scans: fine-tuning, and the supervised baseline."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field, PositiveInt, model_validator
from sklearn.metrics import log_loss
from torch import Tensor, nn
from torch.nn import functional as F

from medcl.config import Config
from medcl.finetune.budgets import Labeled
from medcl.finetune.classifier import Classifier, predict
from medcl.finetune.features import Images
from medcl.finetune.pooling import Pooling
from medcl.finetune.probe import auroc
from medcl.finetune.task import Task
from medcl.pretrain.networks.encoders import Encoder
from medcl.pretrain.optimizers import cosine_rate
from medcl.statistics.delong import delong
from medcl.store import Store
from medcl.views import ViewBatch


class TrainingConfig(Config):
    """Given alike to every arm that trains a network.

    Attributes:
        steps: optimizer steps at each learning rate.
        batch_size: labeled scans a step, at most as many as there are.
        learning_rates: the search space of networks.
        weight_decay: AdamW's.
        candidates: candidates that an arm may compare on its validation scans, the same for every arm: states of
            a network, equally many at each learning rate; strengths of a logistic regression; numbers of
            neighbors; reaches of a spreading label. Arms that fine-tune spend half of them on the probe that
            they start from.
        pooling: of the slices of a volume: their maximum, gated attention, or a recurrent network that reads
            them in order. Probes that are not trained further take the maximum.
        layer_decay: pretrained networks learn slower by this factor a stage, from the head down (Howard &
            Ruder 2018, section 3.2); networks from random weights learn at one rate.
    """

    steps: PositiveInt = 150
    batch_size: PositiveInt = 32
    learning_rates: tuple[float, ...] = (1e-3, 3e-4)
    weight_decay: float = 1e-2
    candidates: PositiveInt = 20
    pooling: Pooling = "max"
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 0.8

    @model_validator(mode="before")
    @classmethod
    def _from_evaluations(cls, told: Any) -> Any:
        """Read configurations that tell how often fine-tuning is evaluated at each learning rate instead."""
        if isinstance(told, dict) and isinstance(told.get("evaluations"), int):
            told = dict(told)
            rates = told.get("learning_rates", cls.model_fields["learning_rates"].default)
            told.setdefault("candidates", 2 * len(rates) * told.pop("evaluations"))
        return told

    @model_validator(mode="after")
    def _enough(self) -> TrainingConfig:
        if self.candidates < 2 * len(self.learning_rates):
            raise ValueError("candidates: at least two for each learning rate")
        return self

    @property
    def probe_candidates(self) -> int:
        """Trials that arms which fine-tune spend on their probe."""
        return self.candidates // 2


@dataclass(frozen=True)
class TrainingInputs:
    """What a network is taught with: see `train_classifier` for each part."""

    task: Task
    labeled: Labeled
    images: Images
    config: TrainingConfig
    seed: int
    evaluations: int = 1
    """States held against the validation scans at each learning rate."""


class Objective:
    """What a training step minimizes: cross-entropy of the labeled scans, both classes counting the same.

    Semi-supervised training adds terms of its own (`medcl.finetune.semi_supervised`).

    Args:
        classifier: the network that is trained.
        lesson: what it is taught with.
    """

    keeps_last = False
    """Keep the last state at each learning rate, not the best on validation."""

    def __init__(self, classifier: Classifier, lesson: TrainingInputs) -> None:
        self.classifier = classifier
        self.truth = torch.tensor(lesson.task.truth, dtype=torch.float32)
        share = float(self.truth[lesson.labeled.train].mean())
        self.weight = torch.tensor([0.5 / (1 - share), 0.5 / share])

    def loss(self, batch: ViewBatch) -> Tensor:
        """Return the loss of a batch of labeled scans."""
        truth = self.truth[batch.rows]
        return F.binary_cross_entropy_with_logits(
            self.classifier(batch.data), truth, self.weight[truth.long()]
        )

    def on_step_end(self) -> None:
        """Hear that the optimizer has moved the classifier."""

    @property
    def kept(self) -> Classifier:
        """The network that is held against the validation scans and kept."""
        return self.classifier


def train_classifier(
    start: Encoder | Classifier,
    task: Task,
    labeled: Labeled,
    images: Images,
    config: TrainingConfig,
    seed: int,
    objective: Callable[..., Objective] = Objective,
    candidates: int | None = None,
) -> tuple[Classifier, dict[str, float]]:
    """Train a classifier, chosen on the labeled validation scans.

    Args:
        start: an encoder, which gets new pooling and a new head and learns at one rate; or a classifier
            whose head fits its encoder already, such as a linear probe (Kumar et al. 2022): it learns with
            `layer_decay`, and is kept as it was unless training `raises_auroc` on the validation scans.
        task: scans and truth.
        labeled: the rows whose labels may be used.
        images: how scans are shown.
        config: steps, rates, choices.
        seed: of the views and their order.
        objective: what is minimized.
        candidates: states to compare on the validation scans; all of the configuration's when not given.

    Returns:
        The best classifier in evaluation mode, and what was chosen: `lr`, `step`, `val_auroc`, and between
        how many states, `candidates`.
    """
    fresh = isinstance(start, Encoder)
    first = Classifier(start, config.pooling, seed) if isinstance(start, Encoder) else start
    decay = 1.0 if fresh else config.layer_decay
    evaluations = max(1, (candidates or config.candidates) // len(config.learning_rates))
    lesson, states, compared = TrainingInputs(task, labeled, images, config, seed, evaluations), [], 0
    for lr in config.learning_rates:
        classifier = copy.deepcopy(first).requires_grad_(True)
        told = objective(classifier, lesson)
        groups = layer_groups(classifier.on_top, classifier.encoder, config.weight_decay, lr, decay)
        states.append(max(_train(told, groups, lesson), key=lambda state: state.score))
        compared += len(_held(told, lesson))
    best = max(states, key=lambda state: state.score)
    if not fresh and not told.keeps_last:
        before = _state(first, lesson, 0.0, 0)
        best = best if raises_auroc(task.truth[labeled.val], before.said, best.said) else before
    chosen = copy.deepcopy(first)
    chosen.load_state_dict(best.weights)
    return chosen.eval(), {
        "lr": best.lr,
        "step": best.step,
        "val_auroc": best.score[0],
        "candidates": compared,
    }


def raises_auroc(truth: np.ndarray, before: np.ndarray, after: np.ndarray) -> bool:
    """Return whether the AUROC of the same scans rises by more than the standard error of its change.

    The error is DeLong's for paired scores, far smaller than that of either AUROC where both err on the same
    scans. A class with fewer than two scans shows nothing.

    Args:
        truth: (n,) 0/1.
        before, after: (n,) probabilities.
    """
    if min(np.bincount(truth, minlength=2)) < 2:
        return False
    change = delong(truth.astype(bool), after, before)
    return change.difference > change.error


@dataclass(frozen=True)
class _State:
    said: np.ndarray
    """Probabilities of the validation scans."""
    score: tuple[float, float]
    """Their AUROC, then negative log loss to break ties."""
    lr: float
    step: int
    weights: dict[str, Tensor]


def _state(classifier: Classifier, lesson: TrainingInputs, lr: float, step: int) -> _State:
    weights = {name: value.clone() for name, value in classifier.state_dict().items()}
    truth = lesson.task.truth[lesson.labeled.val]
    said = predict(classifier, lesson.task.store, lesson.labeled.val, lesson.images)
    score = auroc(truth, said), -float(log_loss(truth, said, labels=[0, 1]))
    return _State(said, score, lr, step, weights)


def _train(objective: Objective, groups: list[dict[str, Any]], lesson: TrainingInputs) -> Iterator[_State]:
    """Train once, yielding the states that are held against the validation scans."""
    peak, steps = max(group["lr"] for group in groups), lesson.config.steps
    held = _held(objective, lesson)
    labeled = infinite_batches(
        lesson.task.store, lesson.labeled.train, lesson.images, lesson.config.batch_size, lesson.seed
    )

    def loss(batch: ViewBatch) -> Tensor:
        objective.classifier.train()
        return objective.loss(batch)

    for step in train_steps(groups, labeled, steps, loss):
        objective.on_step_end()
        if step in held:
            yield _state(objective.kept, lesson, peak, step)


def _held(objective: Objective, lesson: TrainingInputs) -> set[int]:
    return evaluation_steps(lesson.config.steps, 1 if objective.keeps_last else lesson.evaluations)


def evaluation_steps(steps: int, times: int) -> set[int]:
    """Return the numbers of steps after which a state is held against the validation scans."""
    return {steps * (n + 1) // times for n in range(times)} - {0}


def train_steps(
    groups: list[dict[str, Any]],
    batches: Iterator[ViewBatch],
    steps: int,
    loss: Callable[[ViewBatch], Tensor],
) -> Iterator[int]:
    """Take `steps` steps of AdamW, and yield the number of each once it is taken.

    The rate of each group rises to its `lr` over a tenth of the steps and falls along a cosine.
    """
    optimizer = torch.optim.AdamW(groups)
    peaks = [group["lr"] for group in groups]
    for step, batch in zip(range(steps), batches, strict=False):
        for group, peak in zip(optimizer.param_groups, peaks, strict=True):
            group["lr"] = peak * cosine_rate(step, steps, 0.1 * steps)
        value = loss(batch)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        yield step + 1


def layer_groups(
    on_top: nn.Module, encoder: Encoder, weight_decay: float, lr: float, decay: float
) -> list[dict[str, Any]]:
    """Return one group of weights and one of biases and normalization, which are not decayed, for what stands
    on top of an encoder and for each of its stages; each learns slower than the one above by `decay`.
    """
    stages = [stage for stage in encoder.network.children() if any(True for _ in stage.parameters())]
    groups = []
    for depth, stage in enumerate([on_top, *reversed(stages)]):
        parameters = list(stage.parameters())
        for chosen, wd in (
            ([p for p in parameters if p.ndim > 1], weight_decay),
            ([p for p in parameters if p.ndim <= 1], 0.0),
        ):
            groups.append({"params": chosen, "lr": lr * decay**depth, "weight_decay": wd})
    return groups


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
