"""Pooling of the features of a volume's slices to those of the volume."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from medcl.pretrain import SliceSequence

Pooling = Literal["max", "attention", "gru"]


class MaxPool(nn.Module):
    """Maximum over slices: one slice suffices to show a lesion."""

    def forward(self, features: Tensor) -> Tensor:
        """Map features of slices (B, K, F) to (B, F)."""
        return features.amax(dim=1)


class GatedAttention(nn.Module):
    """Weighted mean by gated attention (Ilse, Tomczak & Welling 2018, equations 8 and 9).

    All weights are equal before training, so that the pooled features then depend on nothing random.

    Args:
        size: F, the features of a slice.
    """

    HIDDEN = 128

    def __init__(self, size: int) -> None:
        super().__init__()
        self.content = nn.Linear(size, self.HIDDEN)
        self.gate = nn.Linear(size, self.HIDDEN)
        self.score = nn.Linear(self.HIDDEN, 1, bias=False)
        nn.init.zeros_(self.score.weight)

    def weights(self, features: Tensor) -> Tensor:
        """Return the weights of slices, (B, K, 1), which sum to 1 over K."""
        scores: Tensor = self.score(self.content(features).tanh() * self.gate(features).sigmoid())
        return scores.softmax(dim=1)

    def forward(self, features: Tensor) -> Tensor:
        """Map features of slices (B, K, F) to (B, F)."""
        return (self.weights(features) * features).sum(dim=1)


class RecurrentPool(nn.Module):
    """Bidirectional recurrent network over the slices in order (`SliceSequence`).

    Args:
        size: F, the features of a slice, an even number.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.sequence = SliceSequence(nn.Identity(), size, "gru")

    def forward(self, features: Tensor) -> Tensor:
        """Map features of slices (B, K, F) to (B, F)."""
        pooled: Tensor = self.sequence(features.movedim(1, -1))
        return pooled


_KINDS = {"attention": GatedAttention, "gru": RecurrentPool}


def build_pooling(kind: Pooling, size: int, seed: int) -> nn.Module:
    """Build the module that pools (B, K, size) to (B, size), with weights drawn by `seed`."""
    if kind == "max":
        return MaxPool()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _KINDS[kind](size)
