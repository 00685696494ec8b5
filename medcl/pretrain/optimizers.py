"""Optimizers and the learning-rate schedule of the contrastive papers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer

from medcl.config import Config


class OptimizerConfig(Config):
    """Configuration of the optimizer and its schedule.

    Attributes:
        name: Optimizer.
        lr_per_256: Peak learning rate for a batch of 256; it is scaled linearly to the global batch.
        weight_decay: Weight decay; biases and normalization have none.
        momentum: Momentum of SGD and LARS.
        warmup_epochs: Epochs of linear warm-up.
    """

    name: Literal["sgd", "lars", "adamw"] = "sgd"
    lr_per_256: float = 0.24
    weight_decay: float = 1e-4
    momentum: float = 0.9
    warmup_epochs: float = 1.0


class LARS(Optimizer):
    """Layer-wise adaptive rate scaling with momentum (You et al. 2017, arXiv 1708.03888).

    Each parameter's step is its gradient (with weight decay) rescaled by `trust * |w| / |g + wd w|`, in
    groups with `adapt=True`; in the others (biases and normalization) it is plain SGD with momentum. The
    adaptation does not depend on weight decay being non-zero.
    """

    def __init__(
        self, params: Any, lr: float, momentum: float = 0.9, weight_decay: float = 0.0, trust: float = 1e-3
    ) -> None:
        super().__init__(
            params,
            {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "trust": trust, "adapt": True},
        )

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Take one step; `closure` re-evaluates the loss if given."""
        loss = closure() if closure is not None else None
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group)
        return loss

    def _update(self, parameter: Tensor, group: dict[str, Any]) -> None:
        update = parameter.grad.add(parameter, alpha=group["weight_decay"])  # type: ignore[union-attr]
        if group["adapt"]:
            weight, step = parameter.norm(), update.norm()
            scale = torch.where((weight > 0) & (step > 0), group["trust"] * weight / step, 1.0)
            update = update.mul(scale)
        state = self.state[parameter]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        buffer = state["momentum_buffer"].mul_(group["momentum"]).add_(update)
        parameter.add_(buffer, alpha=-group["lr"])


def build_optimizer(module: nn.Module, config: OptimizerConfig, batch_size: int) -> Optimizer:
    """Build the optimizer over two groups: weights, and biases with normalization layers.

    The second group has no weight decay and no LARS adaptation.

    Args:
        module: Module whose trainable parameters are optimized.
        config: Configuration of the optimizer.
        batch_size: Scans per step over all processes.
    """
    trained = [(n, p) for n, p in module.named_parameters() if p.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [p for _, p in trained if p.ndim > 1]},
        {"params": [p for _, p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    lr = config.lr_per_256 * batch_size / 256
    if config.name == "adamw":
        return AdamW(groups, lr=lr, weight_decay=config.weight_decay)
    if config.name == "sgd":
        return SGD(groups, lr=lr, momentum=config.momentum, weight_decay=config.weight_decay)
    groups[1]["adapt"] = False
    return LARS(groups, lr=lr, momentum=config.momentum, weight_decay=config.weight_decay)


def cosine_rate(step: int, steps: int, warmup_steps: float) -> float:
    """Return the share of the peak rate at `step` of `steps`: linear warm-up, then a cosine to 0."""
    if step < warmup_steps:
        return (step + 1) / (warmup_steps + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warmup_steps) / max(1.0, steps - warmup_steps)))
