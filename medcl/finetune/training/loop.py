"""The training loop: AdamW at several learning rates, and the best state on the validation scans."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from medcl.errors import WorkFailed
from medcl.pretrain import Encoder, cosine_rate
from medcl.views import ViewBatch


@dataclass(frozen=True)
class Validation:
    """Result of a network on the labeled validation scans.

    Attributes:
        score: Larger is better; later numbers break ties.
        probability: (n,) of the positive class of each scan; empty where the network segments.
    """

    score: tuple[float, ...]
    probability: np.ndarray = field(default_factory=lambda: np.zeros(0))


@dataclass(frozen=True)
class Checkpoint:
    """State of a network after `step` steps at the learning rate `lr`."""

    validation: Validation
    lr: float
    step: int
    weights: dict[str, Tensor]

    @classmethod
    def of(cls, network: nn.Module, validation: Validation, lr: float = 0.0, step: int = 0) -> Checkpoint:
        """Copy the state of a network."""
        weights = {name: value.clone() for name, value in network.state_dict().items()}
        return cls(validation, lr, step, weights)


@dataclass(frozen=True)
class TrainingRun:
    """One training of a network from its start.

    Attributes:
        network: The network whose states are compared.
        groups: Parameter groups of the optimizer, each with its peak learning rate `lr`.
        batches: Batches of training views, at least as many as there are steps.
        loss: Loss of a batch.
        validate: Result of `network` on the validation scans.
        on_step_end: Called after each step.
    """

    network: nn.Module
    groups: list[dict[str, Any]]
    batches: Iterator[ViewBatch]
    loss: Callable[[ViewBatch], Tensor]
    validate: Callable[[], Validation]
    on_step_end: Callable[[], None] = lambda: None


def train_and_select(
    start_run: Callable[[float], TrainingRun], learning_rates: Sequence[float], steps: int, evaluations: int
) -> tuple[Checkpoint, int]:
    """Train at each learning rate and return the state with the best score on the validation scans.

    Args:
        start_run: Sets up training from the start at a learning rate.
        learning_rates: Peak learning rates to compare.
        steps: Optimizer steps at each.
        evaluations: States to compare at each.

    Returns:
        The best state, the earliest of equal ones, and how many were compared.

    Raises:
        WorkFailed: No score is a finite number.
    """
    best, compared = None, 0
    evaluated_steps = evaluation_steps(steps, evaluations)
    for lr in learning_rates:
        run = start_run(lr)
        for step in train_steps(run.groups, run.batches, steps, run.loss):
            run.on_step_end()
            if step not in evaluated_steps:
                continue
            validation = run.validate()
            compared += 1
            if np.isfinite(validation.score).all() and (
                best is None or validation.score > best.validation.score
            ):
                best = Checkpoint.of(run.network, validation, lr, step)
    if best is None:
        raise WorkFailed("the validation loss is never finite; lower training.learning_rates")
    return best, compared


def evaluation_steps(steps: int, evaluations: int) -> set[int]:
    """Return the steps after which a network is validated, evenly spaced; the last is among them."""
    return {steps * (n + 1) // evaluations for n in range(evaluations)} - {0}


def train_steps(
    groups: list[dict[str, Any]],
    batches: Iterator[ViewBatch],
    steps: int,
    loss: Callable[[ViewBatch], Tensor],
) -> Iterator[int]:
    """Take `steps` steps of AdamW, and yield the number of each once it is taken, from 1.

    The learning rate of each group rises to its `lr` over a tenth of the steps and falls along a cosine.
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
    head: nn.Module, encoder: Encoder, weight_decay: float, lr: float, layer_decay: float
) -> list[dict[str, Any]]:
    """Return the parameter groups of a head and of each stage of the encoder under it.

    Each stage learns slower than the one above it by `layer_decay`. Biases and normalization form groups of
    their own, without weight decay.
    """
    stages = [stage for stage in encoder.network.children() if any(True for _ in stage.parameters())]
    groups = []
    for depth, stage in enumerate([head, *reversed(stages)]):
        parameters = list(stage.parameters())
        for group, decay in (
            ([p for p in parameters if p.ndim > 1], weight_decay),
            ([p for p in parameters if p.ndim <= 1], 0.0),
        ):
            groups.append({"params": group, "lr": lr * layer_decay**depth, "weight_decay": decay})
    return groups
