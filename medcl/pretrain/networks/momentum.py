"""Momentum branch: a slowly moving copy of the online network (He et al. 2020; Grill et al. 2020)."""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn


class MomentumBranch(nn.Module):
    """A copy of `online`, heads included, that no gradient reaches.

    It starts equal to the online network in every parameter and buffer. `update` moves its parameters; its
    batch-norm statistics come from its own forward passes.
    """

    def __init__(self, online: nn.Module) -> None:
        super().__init__()
        self.network = copy.deepcopy(online).requires_grad_(False)

    @torch.no_grad()
    def update(self, online: nn.Module, coefficient: float) -> None:
        """Move every parameter w to `coefficient * w + (1 - coefficient) * online`."""
        parameters: list[Tensor] = list(self.network.parameters())
        targets: list[Tensor] = list(online.parameters())
        torch._foreach_lerp_(parameters, targets, 1 - coefficient)

    @torch.no_grad()
    def forward(self, views: Tensor) -> Tensor:
        """Run the branch without gradient."""
        outputs: Tensor = self.network(views)
        return outputs


def cosine_momentum(base: float, progress: float) -> float:
    """Return the coefficient that rises from `base` to 1 along a cosine (BYOL, section 3.3)."""
    return 1 - (1 - base) * (1 + math.cos(math.pi * progress)) / 2
