"""How the features of a volume's slices become those of the volume."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from medcl.pretrain.networks.backbones import SliceSequence

Pooling = Literal["max", "attention", "gru"]


class MaxPool(nn.Module):
    """The maximum: one slice suffices to see a lesion."""

    def forward(self, features: Tensor) -> Tensor:
        """Map features of slices (B, K, F) to (B, F)."""
        return features.amax(dim=1)


class GatedAttention(nn.Module):
    """A mean whose weights a small network gives (Ilse, Tomczak & Welling 2018, equations 8 and 9).

    All weights are equal before training, so that what comes out then depends on nothing random.

    Args:
        size: F.
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
        return self.score(self.content(features).tanh() * self.gate(features).sigmoid()).softmax(dim=1)

    def forward(self, features: Tensor) -> Tensor:
        """Map features of slices (B, K, F) to (B, F)."""
        return (self.weights(features) * features).sum(dim=1)


class ReadInOrder(nn.Module):
    """A recurrent network over the slices from first to last, both ways (`SliceSequence`).

    Args:
        size: F, an even number.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.sequence = SliceSequence(nn.Identity(), size, "gru")

    def forward(self, features: Tensor) -> Tensor:
        """Map features of slices (B, K, F) to (B, F)."""
        read: Tensor = self.sequence(features.movedim(1, -1))
        return read


_KINDS = {"attention": GatedAttention, "gru": ReadInOrder}


def build_pooling(kind: Pooling, size: int, seed: int) -> nn.Module:
    """Build what pools (B, K, size) to (B, size); its weights are the same for the same seed."""
    if kind == "max":
        return MaxPool()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _KINDS[kind](size)
