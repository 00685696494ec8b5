"""Measures of collapse: what a contrastive run watches besides its loss."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


@torch.no_grad()
def spread(embeddings: Tensor) -> Tensor:
    """Return the mean standard deviation of the normalised embeddings (N, D), times the root of D.

    1 for directions spread evenly over the sphere, 0 for a collapsed network (Chen & He 2021, figure 2).
    """
    unit = F.normalize(embeddings.detach().float(), dim=1)
    return unit.std(dim=0, correction=0).mean() * unit.shape[1] ** 0.5
