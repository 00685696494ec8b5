"""Calibration: one temperature, fitted on the validation scans (Guo et al. 2017, section 4.2)."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar

MAX_LOGIT = 15.0
"""The largest calibrated logit of the validation scans is between one over this and this."""


def fit_temperature(truth: np.ndarray, logits: np.ndarray) -> float:
    """Return the temperature T for which logits / T have the least log loss; the order of scans stays.

    A few validation scans that are separated perfectly would ask for endless confidence. The truth is
    therefore smoothed to (n + 1) / (n + 2) and 1 / (n + 2) for n scans of a class (Platt 1999, section 2.2):
    five per class allow no more than 6 / 7. T is bounded so that the largest logit of these scans stays
    between 1 / 15 and 15. A temperature cannot correct probabilities that are all too high or all too low.

    Args:
        truth: (n,) 0/1.
        logits: (n,) finite.
    """
    largest = float(np.abs(logits).max())
    if largest == 0:
        return 1.0
    negatives, positives = np.bincount(truth, minlength=2)
    targets = np.where(truth == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))

    def loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        return float(np.mean(np.logaddexp(0, scaled) - targets * scaled))

    bounds = np.log(largest / MAX_LOGIT), np.log(largest * MAX_LOGIT)
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))
