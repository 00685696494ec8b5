"""Contrastive losses on embeddings, in float32 whatever the autocast type.

Each takes the (B, D) embeddings of this process, compares them with those of all processes, and returns the
share of this process: the mean of the shares is the loss of the whole batch (see `distributed`). `identity`
(B, 2) holds the scan and the patient of each row; rows that share either are not negatives of each other.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Literal, ParamSpec

import torch
import torch.nn.functional as F
from torch import Tensor

from medcl.pretrain.distributed.collectives import gather, gather_with_grad, rank, sum_with_grad, world_size
from medcl.views import same_scan_or_patient

Similarity = Literal["cosine", "euclidean"]
P = ParamSpec("P")


def full_precision(loss: Callable[P, Tensor]) -> Callable[P, Tensor]:
    """Wrap `loss` so that it runs in float32, also inside an autocast region; float64 stays as it is."""

    @functools.wraps(loss)
    def wrapped(*arguments: P.args, **options: P.kwargs) -> Tensor:
        device = next(a.device.type for a in arguments if isinstance(a, Tensor))
        with torch.autocast(device, enabled=False):
            return loss(*map(_widen, arguments), **{k: _widen(v) for k, v in options.items()})

    return wrapped


def _widen(value: Any) -> Any:
    half = isinstance(value, Tensor) and value.dtype in (torch.float16, torch.bfloat16)
    return value.float() if half else value


def squared_distance(one: Tensor, other: Tensor) -> Tensor:
    """Return the (N, M) squared Euclidean distances between rows of (N, D) and (M, D)."""
    norms = one.square().sum(1)[:, None] + other.square().sum(1)[None]
    return (norms - 2 * one @ other.T).clamp_min(0)


def similarities(one: Tensor, other: Tensor, kind: Similarity) -> Tensor:
    """Return (N, M) similarities: cosines, or with "euclidean" negative squared distances."""
    if kind == "euclidean":
        return -squared_distance(one, other)
    return F.normalize(one, dim=1) @ F.normalize(other, dim=1).T


@full_precision
def nt_xent(
    first: Tensor,
    second: Tensor,
    identity: Tensor | None = None,
    temperature: float = 0.2,
    similarity: Similarity = "cosine",
) -> Tensor:
    """NT-Xent (Chen et al. 2020, arXiv 2002.05709, equation 1).

    For each of the 2B views, minus the log softmax of its similarity to its twin among its similarities to
    the other views of all processes; the mean over views.

    Args:
        first: Embeddings (B, D) of the first views.
        second: Embeddings (B, D) of the second views, in the same order.
        identity: Scan and patient (B, 2) of each row.
        temperature: Divisor of the similarities.
        similarity: Cosine, or negative squared Euclidean distance.
    """
    anchors = torch.cat([first, second])
    views = gather_with_grad(anchors)
    anchor, twin = _positions(anchors)
    logits = similarities(anchors, views, similarity) / temperature
    excluded = _not_negative(anchor, twin, logits.shape, identity)
    # The mask comes after the cast to float32: -inf there, where -1e9 would overflow float16.
    return F.cross_entropy(logits.masked_fill(excluded, -torch.inf), twin)


@full_precision
def contrastive(
    first: Tensor,
    second: Tensor,
    identity: Tensor | None = None,
    margin: float = 1.0,
    similarity: Similarity = "cosine",
) -> Tensor:
    """Pairwise contrastive loss with a margin (Hadsell, Chopra, LeCun 2006, equation 4).

    With d the Euclidean distance of two views ("cosine": on the unit sphere), twins cost d^2 / 2 and every
    other pair costs max(0, margin - d)^2 / 2. The paper sums over pairs; here twins and other pairs are each
    averaged, so that the many negatives of a batch do not outweigh its positives.

    Args:
        first: Embeddings (B, D) of the first views.
        second: Embeddings (B, D) of the second views, in the same order.
        identity: Scan and patient (B, 2) of each row.
        margin: Distance beyond which a negative pair costs nothing.
        similarity: "cosine" for distances on the unit sphere, or "euclidean".
    """
    if similarity == "cosine":
        first, second = F.normalize(first, dim=1), F.normalize(second, dim=1)
    anchors = torch.cat([first, second])
    anchor, twin = _positions(anchors)
    squared = squared_distance(anchors, gather_with_grad(anchors))
    negative = ~_not_negative(anchor, twin, squared.shape, identity)
    negative[torch.arange(len(anchors)), twin] = False
    # The square root has no gradient at 0, where collapsed pairs are.
    shortfall = (margin - squared.clamp_min(1e-12).sqrt()).clamp_min(0)
    negative_loss = torch.where(negative, shortfall.square(), 0).sum()
    pairs = sum_with_grad(negative.sum().to(negative_loss.dtype)) / world_size()
    positive_loss = (first - second).square().sum(1).mean()
    return 0.5 * (positive_loss + negative_loss / pairs.clamp_min(1))


@full_precision
def info_nce(
    queries: Tensor,
    keys: Tensor,
    negatives: Tensor,
    excluded: Tensor | None = None,
    temperature: float = 0.2,
    similarity: Similarity = "cosine",
) -> Tensor:
    """InfoNCE of MoCo (He et al. 2020, arXiv 1911.05722, equation 1): each query against its key.

    Args:
        queries: (B, D).
        keys: (B, D), the positive of each query; pass them without gradient.
        negatives: (K, D), shared by all queries.
        excluded: (B, K) bool, the pairs that are not negatives.
        temperature: Divisor of the similarities.
        similarity: Cosine, or negative squared Euclidean distance.
    """
    if similarity == "euclidean":
        positive = -(queries - keys).square().sum(1, keepdim=True)
    else:
        positive = F.cosine_similarity(queries, keys, dim=1)[:, None]
    negative = similarities(queries, negatives, similarity)
    if excluded is not None:
        negative = negative.masked_fill(excluded, -torch.inf)
    logits = torch.cat([positive, negative], dim=1) / temperature
    return F.cross_entropy(logits, torch.zeros(len(queries), dtype=torch.long, device=queries.device))


@full_precision
def negative_cosine(predictions: Tensor, targets: Tensor) -> Tensor:
    """Return minus the mean cosine of predictions (B, D) and targets (B, D); the targets get no gradient."""
    return -F.cosine_similarity(predictions, targets.detach(), dim=1).mean()


@full_precision
def cross_correlation(first: Tensor, second: Tensor) -> Tensor:
    """Return the (D, D) correlation of embeddings (B, D) of two views over the batch of all processes.

    Each dimension is standardized by the mean and biased variance of that batch (as batch norm does, with
    its 1e-5), so that the diagonal of equal views is 1. The D * D sums are sent, not the embeddings, and
    only forward: compute the same from the result in every process.
    """
    count = len(first) * world_size()
    standardized = [
        centered / (_total(centered.square()) / count + 1e-5).sqrt()
        for centered in map(_center, (first, second))
    ]
    return sum_with_grad(standardized[0].T @ standardized[1], same_loss=True) / count


@full_precision
def covariance(embeddings: Tensor) -> Tensor:
    """Return the unbiased (D, D) covariance of embeddings (B, D) over the batch of all processes."""
    centered = _center(embeddings)
    return sum_with_grad(centered.T @ centered, same_loss=True) / (len(embeddings) * world_size() - 1)


def _total(values: Tensor) -> Tensor:
    """Return the sum over the rows of all processes."""
    return sum_with_grad(values.sum(0))


def _center(embeddings: Tensor) -> Tensor:
    return embeddings - _total(embeddings) / (len(embeddings) * world_size())


def _positions(anchors: Tensor) -> tuple[Tensor, Tensor]:
    """Return the positions of this process's 2B anchors, and of their twins, among the gathered views."""
    count = len(anchors)
    anchor = torch.arange(count, device=anchors.device) + rank() * count
    return anchor, anchor.roll(count // 2)


def _not_negative(anchor: Tensor, twin: Tensor, shape: torch.Size, identity: Tensor | None) -> Tensor:
    """Return (2B, 2BW) bool: an anchor itself and views of its scan or patient, but never its twin."""
    rows = torch.arange(len(anchor), device=anchor.device)
    if identity is None:
        excluded = torch.zeros(shape, dtype=torch.bool, device=anchor.device)
    else:
        identity = torch.cat([identity, identity])
        excluded = same_scan_or_patient(identity, gather(identity))
    excluded[rows, anchor] = True
    excluded[rows, twin] = False
    return excluded
