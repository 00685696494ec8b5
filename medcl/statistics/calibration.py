"""Calibration intercept and slope, and proportions with their intervals."""

from __future__ import annotations

import numpy as np
from scipy import special

CLIP = 1e-6


def calibration_line(
    truth: np.ndarray, probability: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return calibration intercept (slope held at 1) and slope for each weighting, each (draws,).

    0 and 1 are perfect; a slope below 1 says that probabilities are too extreme (Van Calster 2019). Fitted by
    Newton's method on all scans; each weighting then takes one further step, which is the k-step bootstrap of
    Andrews (2002). NaN where the classes are separated, for then no finite line fits.

    Args:
        truth: (n,) bool.
        probability: (n,), clipped to 1e-6..1 - 1e-6.
        weights: (n, draws).
    """
    logit = special.logit(np.clip(probability, CLIP, 1 - CLIP))
    unit = np.ones_like(logit)
    intercept = _fit(truth, unit[:, None], logit, weights)
    slope = _fit(truth, np.stack([unit, logit], axis=1), np.zeros_like(logit), weights)
    return intercept[0], slope[1]


def _fit(truth: np.ndarray, design: np.ndarray, offset: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return logistic regression coefficients (columns of `design`, draws)."""
    terms = design.shape[1]
    products = np.einsum("ni,nj->nij", design, design).reshape(len(design), -1)
    line = np.zeros(terms)
    for _ in range(30):
        score, curvature = _derivatives(truth, design, products, offset, line)
        hessian = curvature.sum(axis=0).reshape(terms, terms)
        if np.linalg.cond(hessian) > 1e10:
            return np.full((terms, weights.shape[1]), np.nan)
        step = np.linalg.solve(hessian, score.sum(axis=0))
        line = line + step
        if np.abs(step).max() < 1e-10:
            break
    else:
        return np.full((terms, weights.shape[1]), np.nan)
    score, curvature = _derivatives(truth, design, products, offset, line)
    hessians = (curvature.T @ weights).T.reshape(-1, terms, terms)
    steps = np.linalg.solve(hessians, (score.T @ weights).T[:, :, None])[:, :, 0]
    return line[:, None] + steps.T


def _derivatives(
    truth: np.ndarray, design: np.ndarray, products: np.ndarray, offset: np.ndarray, line: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    fitted = special.expit(offset + design @ line)
    return design * (truth - fitted)[:, None], products * (fitted * (1 - fitted))[:, None]


def wilson(successes: int, total: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a plain proportion of patients; (0, 1) of none."""
    if not total:
        return 0.0, 1.0
    z = 1.959963984540054
    center = (successes + z**2 / 2) / (total + z**2)
    half = z / (total + z**2) * float(np.sqrt(successes * (total - successes) / total + z**2 / 4))
    return max(center - half, 0.0), min(center + half, 1.0)


def predictive_values(
    recall: np.ndarray, specificity: np.ndarray, prevalence: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return precision and NPV where the share of positives is `prevalence` (0..1); 0 if nobody is called."""
    found, missed = recall * prevalence, (1 - recall) * prevalence
    cleared, alarmed = specificity * (1 - prevalence), (1 - specificity) * (1 - prevalence)
    precision = np.divide(found, found + alarmed, out=np.zeros_like(found), where=found + alarmed > 0)
    npv = np.divide(cleared, cleared + missed, out=np.zeros_like(found), where=cleared + missed > 0)
    return precision, npv
