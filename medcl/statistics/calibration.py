"""Calibration intercept and slope, and proportions with their intervals."""

from __future__ import annotations

import numpy as np
from scipy import special, stats

CLIP = 1e-6


def calibration_line(
    truth: np.ndarray, probability: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return calibration intercept (slope held at 1) and slope for each weighting, each (draws,).

    0 and 1 are perfect; a slope below 1 means that probabilities are too extreme (Van Calster 2019). Fitted
    by Newton's method on all scans, with one further step for each weighting: the k-step bootstrap of
    Andrews (2002). NaN where the classes are separated, since no finite line fits.

    Args:
        truth: Whether each scan is positive, (n,) bool.
        probability: Probability of the positive class, (n,); clipped to 1e-6..1 - 1e-6.
        weights: How often each scan counts, (n, draws).
    """
    logit = special.logit(np.clip(probability, CLIP, 1 - CLIP))
    unit = np.ones_like(logit)
    intercept = _fit(truth, unit[:, None], logit, weights)
    slope = _fit(truth, np.stack([unit, logit], axis=1), np.zeros_like(logit), weights)
    return intercept[0], slope[1]


def _fit(truth: np.ndarray, design: np.ndarray, offset: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the coefficients of a logistic regression, (columns of `design`, draws)."""
    terms = design.shape[1]
    products = np.einsum("ni,nj->nij", design, design).reshape(len(design), -1)
    coefficients = np.zeros(terms)
    for _ in range(30):
        score, curvature = _derivatives(truth, design, products, offset, coefficients)
        hessian = curvature.sum(axis=0).reshape(terms, terms)
        if np.linalg.cond(hessian) > 1e10:
            return np.full((terms, weights.shape[1]), np.nan)
        step = np.linalg.solve(hessian, score.sum(axis=0))
        coefficients = coefficients + step
        if np.abs(step).max() < 1e-10:
            break
    else:
        return np.full((terms, weights.shape[1]), np.nan)
    score, curvature = _derivatives(truth, design, products, offset, coefficients)
    hessians = (curvature.T @ weights).T.reshape(-1, terms, terms)
    steps = np.linalg.solve(hessians, (score.T @ weights).T[:, :, None])[:, :, 0]
    return coefficients[:, None] + steps.T


def _derivatives(
    truth: np.ndarray, design: np.ndarray, products: np.ndarray, offset: np.ndarray, coefficients: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the score (n, terms) and the curvature (n, terms squared) of each scan."""
    fitted = special.expit(offset + design @ coefficients)
    return design * (truth - fitted)[:, None], products * (fitted * (1 - fitted))[:, None]


def wilson(successes: int, total: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval (Wilson 1927) of a proportion; (0, 1) when `total` is 0."""
    if not total:
        return 0.0, 1.0
    interval = stats.binomtest(successes, total).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)


def predictive_values(
    recall: np.ndarray, specificity: np.ndarray, prevalence: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return precision and NPV where the share of positives is `prevalence` (0..1); 0 for an empty ratio."""
    tp, fn = recall * prevalence, (1 - recall) * prevalence
    tn, fp = specificity * (1 - prevalence), (1 - specificity) * (1 - prevalence)
    precision = np.divide(tp, tp + fp, out=np.zeros_like(tp), where=tp + fp > 0)
    npv = np.divide(tn, tn + fn, out=np.zeros_like(tp), where=tn + fn > 0)
    return precision, npv
