"""Selection on a handful of labeled validation scans, where scores are noisy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from sklearn.metrics import roc_auc_score

from medcl.statistics import delong

Candidate = TypeVar("Candidate")


def auroc(truth: np.ndarray, probability: np.ndarray) -> float:
    """Return the AUROC, or one half where there is only one class to rank.

    Args:
        truth: (n,) 0/1.
        probability: (n,) scores of the positive class.
    """
    return float(roc_auc_score(truth, probability)) if len(np.unique(truth)) > 1 else 0.5


def auroc_standard_error(value: float, truth: np.ndarray) -> float:
    """Return the standard error of an AUROC (Hanley & McNeil 1982); 0 where there is one class.

    Args:
        value: The AUROC.
        truth: (n,) 0/1, of which only the class sizes matter.
    """
    positives, negatives = int(truth.sum()), int((1 - truth).sum())
    if not positives or not negatives:
        return 0.0
    q1, q2 = value / (2 - value), 2 * value**2 / (1 + value)
    variance = value * (1 - value) + (positives - 1) * (q1 - value**2) + (negatives - 1) * (q2 - value**2)
    return float(np.sqrt(max(variance, 0.0) / (positives * negatives)))


def select_within_error(
    candidates: Sequence[Candidate], scores: Sequence[float], truth: np.ndarray
) -> Candidate:
    """Return the first candidate whose AUROC is within one standard error of the best.

    Candidates cannot be distinguished on a handful of validation scans, so the simplest of those that are
    as good as the best is taken (the one-standard-error rule, Breiman et al. 1984, section 3.4.3).

    Args:
        candidates: Simplest (most regularized) first.
        scores: The AUROC of each on the validation scans.
        truth: (n,) 0/1 of the validation scans.
    """
    best = max(scores)
    lowest = best - auroc_standard_error(best, truth)
    return next(candidate for candidate, score in zip(candidates, scores, strict=True) if score >= lowest)


def raises_auroc(truth: np.ndarray, before: np.ndarray, after: np.ndarray) -> bool:
    """Return whether the AUROC of the same scans rises by more than the standard error of its change.

    The error is DeLong's for paired scores, far smaller than that of either AUROC where both err on the same
    scans. A class with fewer than two scans shows nothing.

    Args:
        truth: (n,) 0/1.
        before: (n,) probabilities.
        after: (n,) probabilities.
    """
    if min(np.bincount(truth, minlength=2)) < 2:
        return False
    change = delong(truth.astype(bool), after, before)
    return change.difference > change.error
