"""Metrics of binary predictions, each computed for many weightings of the scans at once.

A weighting says how often each scan counts: all ones gives the plain metric, the counts of a bootstrap draw
give that draw's. Definitions and the value 0 for an empty ratio are scikit-learn's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from medcl.errors import UsageError

THRESHOLD_METRICS = ("precision", "recall", "specificity", "npv", "f1", "balanced_accuracy", "mcc")
METRICS = ("auroc", "average_precision", *THRESHOLD_METRICS, "brier", "ece")
BINS = 10


@dataclass(frozen=True)
class Counts:
    """Weighted confusion counts, each of shape (draws,)."""

    tp: np.ndarray
    fp: np.ndarray
    tn: np.ndarray
    fn: np.ndarray


def metrics(
    truth: np.ndarray, probability: np.ndarray, threshold: float, weights: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Return every metric of `METRICS` for each weighting.

    Args:
        truth: (n,) bool.
        probability: (n,) of the positive class, 0..1.
        threshold: a scan is called positive when its probability is at least this.
        weights: (n, draws), not negative; None is one weighting of ones.

    Returns:
        metric -> (draws,). Weightings without one of the classes give NaN in AUROC.

    Raises:
        UsageError: shapes that do not fit.
    """
    truth = np.asarray(truth, dtype=bool)
    probability = np.asarray(probability, dtype=float)
    weights = np.ones((len(truth), 1)) if weights is None else np.asarray(weights, dtype=float)
    if truth.shape != probability.shape or truth.ndim != 1 or len(weights) != len(truth):
        raise UsageError("metrics: truth, probability and weights must cover the same scans")
    area, precision = areas(truth, probability, weights)
    found = {"auroc": area, "average_precision": precision}
    found |= rates(counts(truth, probability >= threshold, weights))
    total = weights.sum(axis=0)
    found["brier"] = _ratio((probability - truth) ** 2 @ weights, total)
    found["ece"] = calibration_error(truth, probability, weights)
    return found


def areas(truth: np.ndarray, probability: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return AUROC and average precision, each (draws,), from one pass down the ranked scans."""
    order = np.argsort(-probability, kind="stable")
    starts = np.append(0, np.flatnonzero(np.diff(probability[order])) + 1)
    ranked = weights[order]
    positive = ranked * truth[order, None]
    negative = ranked - positive
    if len(starts) < len(order):  # equal probabilities are one step of the curve
        positive, negative = (np.add.reduceat(part, starts, axis=0) for part in (positive, negative))
    tp, fp = np.cumsum(positive, axis=0), np.cumsum(negative, axis=0)
    called = tp + fp
    precision = np.divide(tp, called, out=np.zeros_like(tp), where=called > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        area = np.einsum("gd,gd->d", negative, tp - positive / 2) / (tp[-1] * fp[-1])
        average = np.einsum("gd,gd->d", positive, precision) / tp[-1]
    return area, average


def counts(truth: np.ndarray, called: np.ndarray, weights: np.ndarray) -> Counts:
    """Return the weighted confusion counts of the decisions `called` (n,) bool."""
    cells = np.stack([truth & called, ~truth & called, ~truth & ~called, truth & ~called])
    return Counts(*(cells.astype(float) @ weights))


def rates(c: Counts) -> dict[str, np.ndarray]:
    """Return the metrics of `THRESHOLD_METRICS` from confusion counts; an empty ratio is 0."""
    recall, specificity = _ratio(c.tp, c.tp + c.fn), _ratio(c.tn, c.tn + c.fp)
    spread = (c.tp + c.fp) * (c.tp + c.fn) * (c.tn + c.fp) * (c.tn + c.fn)
    return {
        "precision": _ratio(c.tp, c.tp + c.fp),
        "recall": recall,
        "specificity": specificity,
        "npv": _ratio(c.tn, c.tn + c.fn),
        "f1": _ratio(2 * c.tp, 2 * c.tp + c.fp + c.fn),
        "balanced_accuracy": (recall + specificity) / 2,
        "mcc": _ratio(c.tp * c.tn - c.fp * c.fn, np.sqrt(spread)),
    }


def likelihood_ratios(rate: Mapping[str, float]) -> tuple[float, float]:
    """Return LR+ and LR- from recall and specificity (0..1); infinite where no error was made."""
    recall, specificity = rate["recall"], rate["specificity"]
    positive = recall / (1 - specificity) if specificity < 1 else np.inf
    negative = (1 - recall) / specificity if specificity > 0 else np.inf
    return positive, negative


def mass_bins(probability: np.ndarray, bins: int = BINS) -> np.ndarray:
    """Return each scan's bin (n,), 0..bins-1: equal numbers of scans a bin, equal probabilities together."""
    edges = np.unique(np.quantile(probability, np.arange(1, bins) / bins, method="inverted_cdf"))
    return np.searchsorted(edges, probability, side="left")


def calibration_error(truth: np.ndarray, probability: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the expected calibration error (draws,) over equal-mass bins of the unweighted scans."""
    member = mass_bins(probability)
    gaps = np.zeros((member.max() + 1, len(probability)))
    gaps[member, np.arange(len(probability))] = truth - probability
    return _ratio(np.abs(gaps @ weights).sum(axis=0), weights.sum(axis=0))


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.zeros_like(below, dtype=float), where=below > 0)


NAMES = {
    "auroc": "AUROC",
    "average_precision": "average precision",
    "precision": "precision",
    "recall": "recall",
    "specificity": "specificity",
    "npv": "NPV",
    "f1": "F1",
    "balanced_accuracy": "balanced accuracy",
    "mcc": "MCC",
    "brier": "Brier score",
    "ece": "calibration error",
}


LESS_IS_BETTER = ("brier", "ece")
