"""DeLong's comparison of correlated AUROCs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Delong:
    """Difference of two correlated AUROCs, its standard error and the two-sided p-value."""

    difference: float
    error: float
    p: float


def delong(truth: np.ndarray, one: np.ndarray, two: np.ndarray) -> Delong:
    """Test whether two scores have the same AUROC (DeLong 1988, fast form of Sun and Xu 2014).

    Args:
        truth: Whether each scan is positive, (n,) bool; one scan per patient, at least two of each class.
        one: First score of each scan, (n,).
        two: Second score of each scan, (n,).
    """
    areas, covariance = auroc_covariance(truth, np.stack([one, two]))
    contrast = np.array([1.0, -1.0])
    difference = float(contrast @ areas)
    error = float(np.sqrt(max(contrast @ covariance @ contrast, 0.0)))
    if error <= 1e-12:
        return Delong(difference, 0.0, 1.0 if abs(difference) <= 1e-12 else 0.0)
    return Delong(difference, error, float(2 * stats.norm.sf(abs(difference) / error)))


def auroc_covariance(truth: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the AUROCs (k,) and their covariance (k, k) of scores (k, n), from mid-ranks."""
    positive, negative = scores[:, truth], scores[:, ~truth]
    m, n = positive.shape[1], negative.shape[1]
    ranks = stats.rankdata(np.concatenate([positive, negative], axis=1), axis=1)
    of_positive = (ranks[:, :m] - stats.rankdata(positive, axis=1)) / n
    of_negative = 1 - (ranks[:, m:] - stats.rankdata(negative, axis=1)) / m
    return of_positive.mean(axis=1), np.cov(of_positive) / m + np.cov(of_negative) / n
