"""Measures of features and of their collapse, beside the loss of a contrastive run."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

COLLAPSED_STD = 0.1
COLLAPSED_RANK = 2.0

MEASURES = ("feature_std", "effective_rank", "alignment", "uniformity")
LABELED_MEASURES = ("knn", "probe")
"""Names of what `measure` returns, without labels and only with them."""


@torch.no_grad()
def embedding_std(embeddings: Tensor) -> Tensor:
    """Return the mean standard deviation of the normalized embeddings (N, D), times the root of D.

    1 for directions distributed evenly over the sphere, 0 for a collapsed network (Chen & He 2021, figure 2).
    """
    unit = F.normalize(embeddings.detach().float(), dim=1)
    scaled: Tensor = unit.std(dim=0, correction=0).mean() * unit.shape[1] ** 0.5
    return scaled


@torch.no_grad()
def effective_rank(features: Tensor) -> Tensor:
    """Return exp of the entropy of the singular values of the centered features (N, F), as shares.

    From 1 (one direction) to min(N - 1, F) (Roy & Vetterli 2007); 1 for features that are all equal.
    """
    centered = features.float() - features.float().mean(0)
    values = torch.linalg.svdvals(centered)
    shares = values / values.sum().clamp_min(torch.finfo(values.dtype).tiny)
    rank: Tensor = torch.special.entr(shares).sum().exp()
    return rank


@torch.no_grad()
def alignment(first: Tensor, second: Tensor) -> Tensor:
    """Return the mean squared distance of two views' normalized embeddings (N, D): 0 is perfect.

    Wang & Isola 2020, arXiv 2005.10242, with alpha 2.
    """
    return (F.normalize(first.float(), dim=1) - F.normalize(second.float(), dim=1)).square().sum(1).mean()


@torch.no_grad()
def uniformity(embeddings: Tensor) -> Tensor:
    """Return the log of the mean Gaussian potential of pairs of normalized embeddings (N, D), N > 1.

    0 for a collapsed network, towards -4 when distributed evenly (Wang & Isola 2020, with t 2).
    """
    squared = torch.pdist(F.normalize(embeddings.float(), dim=1)).square()
    return (-2 * squared).logsumexp(0) - math.log(len(squared))


@torch.no_grad()
def prototype_use(codes: Tensor) -> Tensor:
    """Return the share of prototypes that are the first choice of at least one row of codes (N, K).

    N rows can use no more than N prototypes; with fewer rows than prototypes it is the share of those N.
    """
    used = codes.new_zeros(codes.shape[1]).scatter_(0, codes.argmax(1), 1)
    return used.sum() / min(codes.shape)


@torch.no_grad()
def knn_balanced_accuracy(features: Tensor, labels: Tensor, k: int = 20, temperature: float = 0.07) -> float:
    """Return the balanced accuracy of a leave-one-out kNN vote on a labeled monitor set.

    Neighbors vote with exp(cosine / temperature) (Wu et al. 2018, arXiv 1805.01978). `k` is clamped to
    what the set has, so that a handful of labels will do.

    Args:
        features: (N, F), N > 1.
        labels: (N,) int64 classes from 0.
        k: Number of neighbors that vote.
        temperature: The smaller it is, the more the nearest neighbors count.
    """
    unit = F.normalize(features.float(), dim=1)
    cosine = (unit @ unit.T).fill_diagonal_(-torch.inf)
    nearest, index = cosine.topk(min(k, len(labels) - 1), dim=1)
    votes = torch.zeros(len(labels), int(labels.max()) + 1, device=labels.device)
    votes.scatter_add_(1, labels[index], (nearest / temperature).softmax(1))
    return _balanced_accuracy(votes.argmax(1), labels)


@torch.no_grad()
def probe_balanced_accuracy(features: Tensor, labels: Tensor, penalty: float = 1.0) -> float:
    """Return the balanced accuracy of a leave-one-out linear probe on a labeled monitor set.

    Ridge regression on the classes, whose N leave-one-out predictions follow from one fit (the hat matrix).

    Args:
        features: (N, F), N > 1.
        labels: (N,) int64 classes from 0.
        penalty: Weight of the squared coefficients for standardized features, in multiples of F.
    """
    design = features.double()
    design = (design - design.mean(0)) / design.std(0, correction=0).clamp_min(1e-12)
    design = torch.cat([design, torch.ones_like(design[:, :1])], dim=1)
    truth = F.one_hot(labels).double()
    ridge = penalty * features.shape[1] * torch.eye(len(labels), dtype=design.dtype, device=design.device)
    kernel = design @ design.T
    hat = torch.linalg.solve(kernel + ridge, kernel)
    leverage = hat.diagonal()[:, None]
    left_out = (hat @ truth - leverage * truth) / (1 - leverage)
    return _balanced_accuracy(left_out.argmax(1), labels)


def _balanced_accuracy(predictions: Tensor, labels: Tensor) -> float:
    correct = (predictions == labels).float()
    return float(torch.stack([correct[labels == c].mean() for c in labels.unique()]).mean())


@torch.no_grad()
def encode_pairs(encoder: nn.Module, batches: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Return the features (N, F) of first and second views, with the encoder in evaluation mode meanwhile.

    Args:
        encoder: Maps (N, C, *spatial) to (N, F).
        batches: Views (n, 2, C, *spatial) on the device of the encoder.
    """
    training = encoder.training
    encoder.eval()
    pairs = [[encoder(view).float() for view in views.unbind(1)] for views in batches]
    encoder.train(training)
    first, second = (torch.cat(views) for views in zip(*pairs, strict=True))
    return first, second


def measure(first: Tensor, second: Tensor, labels: Tensor | None = None) -> dict[str, float]:
    """Measure the features (N, F) of two views of each scan of a monitor set.

    Args:
        first: Features of the first views, from `encode_pairs`.
        second: Features of the second views.
        labels: (N,) int64 classes; with them "knn" and "probe" are among the measures.
    """
    measures = {
        "feature_std": float(embedding_std(first)),
        "effective_rank": float(effective_rank(first)),
        "alignment": float(alignment(first, second)),
        "uniformity": float(uniformity(first)),
    }
    if labels is not None:
        measures["knn"] = knn_balanced_accuracy(first, labels)
        measures["probe"] = probe_balanced_accuracy(first, labels)
    return measures


def collapse_message(measures: dict[str, float]) -> str | None:
    """Return a sentence that describes the collapse of the network, or None for a healthy one.

    Args:
        measures: "embedding_std" of the projections (from a method's loss) and "effective_rank" (from
            `measure`) are read where they are given.
    """
    if measures.get("embedding_std", 1.0) < COLLAPSED_STD:
        deviation = measures["embedding_std"]
        return f"collapsed: all projections point the same way (standard deviation {deviation:.3f} of 1)"
    if measures.get("effective_rank", torch.inf) < COLLAPSED_RANK:
        return f"collapsed: features vary along one direction (rank {measures['effective_rank']:.2f})"
    return None
