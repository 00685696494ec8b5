"""Heads: the small networks between the features of an encoder and a loss."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from medcl.pretrain.losses import full_precision


def mlp(sizes: Sequence[int], batch_norm: bool = True, last_bias: bool = True) -> nn.Sequential:
    """Build linear layers with batch norm and ReLU between them; the last layer is bare.

    The network maps (N, sizes[0]) to (N, sizes[-1]). A layer before batch norm has no bias, which batch norm
    would subtract.

    Args:
        sizes: Width of the input and of every layer.
        batch_norm: Whether there is batch norm before each ReLU.
        last_bias: Whether the last layer has a bias.
    """
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes[:-1]):
        layers.append(nn.Linear(inputs, outputs, bias=not batch_norm))
        if batch_norm:
            layers.append(nn.BatchNorm1d(outputs))
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1], bias=last_bias))


class Prototypes(nn.Module):
    """K directions on the unit sphere; scores are cosines (SwAV, Caron et al. 2020, arXiv 2006.09882).

    There is no bias: with one the scores would be no cosines.
    """

    def __init__(self, size: int, count: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(F.normalize(torch.randn(count, size), dim=1))

    @torch.no_grad()
    def normalize(self) -> None:
        """Put the prototypes back on the unit sphere; call it before each step's first score."""
        self.weight.copy_(F.normalize(self.weight, dim=1))

    @full_precision
    def forward(self, embeddings: Tensor, frozen: bool = False) -> Tensor:
        """Return the (..., K) cosines of normalized embeddings (..., D).

        `frozen` drops the prototypes' gradient: the weight still gets a gradient of zeros, because
        DistributedDataParallel waits for one.
        """
        weight = self.weight.detach() + 0 * self.weight if frozen else self.weight
        return F.linear(embeddings, weight)
