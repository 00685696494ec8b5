"""Balanced assignment of embeddings to prototypes (Cuturi 2013; SwAV, Caron et al. 2020, appendix A)."""

from __future__ import annotations

import torch
from torch import Tensor


@torch.no_grad()
def sinkhorn(scores: Tensor, epsilon: float = 0.05, iterations: int = 3) -> Tensor:
    """Turn scores (N, K) into codes (N, K): each row sums to 1, each column to about N / K.

    Computed in float32 and on logarithms: exp(score / epsilon) overflows float16, and at epsilon .01 its
    smallest entries vanish from float32 even with the maximum subtracted, which empties whole columns.

    Args:
        scores: Cosines of N embeddings, of all processes, with K prototypes.
        epsilon: Smoothness; large values assign all embeddings evenly.
        iterations: Rounds of balancing columns, then rows.
    """
    log_codes = scores.to(torch.promote_types(scores.dtype, torch.float32)) / epsilon
    for _ in range(iterations):
        log_codes = log_codes - log_codes.logsumexp(dim=0, keepdim=True)
        log_codes = log_codes - log_codes.logsumexp(dim=1, keepdim=True)
    return log_codes.exp()
