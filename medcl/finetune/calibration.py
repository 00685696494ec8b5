"""Calibration: one temperature, fitted on the validation scans (Guo et al. 2017, section 4.2)."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar

SUREST = 15.0
"""The largest calibrated logit of the validation scans lies between one over this and this."""


def fit_temperature(truth: np.ndarray, logits: np.ndarray) -> float:
    """Return the T for which the logits divided by T fit the truth best; the order of scans stays.

    A few validation scans that are told apart perfectly would ask for endless confidence. The truth is
    therefore smoothed to (n + 1) / (n + 2) and 1 / (n + 2) for n scans of a class (Platt 1999, section 2.2):
    five a class allow no more than 6 / 7. T is bounded so that the surest of these scans keeps a logit
    between 1 / 15 and 15. One number cannot mend probabilities that are all too high or all too low.

    Args:
        truth: (n,) 0/1.
        logits: (n,) finite.
    """
    furthest = float(np.abs(logits).max())
    if furthest == 0:
        return 1.0
    negatives, positives = np.bincount(truth, minlength=2)
    targets = np.where(truth == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))

    def loss(log_temperature: float) -> float:
        cooled = logits / np.exp(log_temperature)
        return float(np.mean(np.logaddexp(0, cooled) - targets * cooled))

    bounds = np.log(furthest / SUREST), np.log(furthest * SUREST)
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))
