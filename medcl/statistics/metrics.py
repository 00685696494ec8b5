"""Metrics of binary predictions, each computed for many weightings of the scans at once.

A weighting says how often each scan counts: ones give the plain metric, the counts of a bootstrap draw give
that draw's. Definitions and the value 0 for an empty ratio are scikit-learn's.

To add a metric, add a `Metric` to `METRICS`: tables, figures, report, review app and configuration take it
from there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from medcl.errors import UsageError

BINS = 10

Table = Literal["results", "experiment cells", "operating points", "app", "app threshold"]
"""Tables that show metrics: of the report the first three, of the review app the last two."""


@dataclass(frozen=True)
class Counts:
    """Weighted confusion counts, each of shape (draws,)."""

    tp: np.ndarray
    fp: np.ndarray
    tn: np.ndarray
    fn: np.ndarray


@dataclass(frozen=True)
class WeightedPredictions:
    """What a metric is computed from.

    Attributes:
        truth: Whether each scan is positive, (n,) bool.
        probability: Probability of the positive class, (n,).
        weights: How often each scan counts, (n, draws).
        counts: Confusion counts at the threshold.
    """

    truth: np.ndarray
    probability: np.ndarray
    weights: np.ndarray
    counts: Counts

    @cached_property
    def areas(self) -> tuple[np.ndarray, np.ndarray]:
        """AUROC and average precision, each (draws,)."""
        return areas(self.truth, self.probability, self.weights)


@dataclass(frozen=True)
class Metric:
    """A metric: how it is computed, what it is called and where it is shown.

    Attributes:
        name: Name in tables and configuration.
        label: Name for readers, as in the middle of a sentence.
        compute: Returns the metric of each weighting, (draws,).
        ratio: For metrics that follow from confusion counts: returns numerator and denominator; then
            `compute` is not needed.
        higher_is_better: Whether a higher value is better.
        shown_in: Tables that have a column for it.
    """

    name: str
    label: str
    compute: Callable[[WeightedPredictions], np.ndarray] | None = None
    ratio: Callable[[Counts], tuple[np.ndarray, np.ndarray]] | None = None
    higher_is_better: bool = True
    shown_in: frozenset[Table] = frozenset()

    @property
    def heading(self) -> str:
        """Label as the heading of a column."""
        return self.label[0].upper() + self.label[1:]

    def of(self, predictions: WeightedPredictions) -> np.ndarray:
        """Return the metric of each weighting, (draws,)."""
        if self.compute is not None:
            return self.compute(predictions)
        return self.rate(predictions.counts)

    def rate(self, counts: Counts, empty: float = 0.0) -> np.ndarray:
        """Return a metric that follows from confusion counts, (draws,); `empty` where the ratio is 0 / 0."""
        assert self.ratio is not None, f"{self.name} does not follow from confusion counts"
        return _divide(*self.ratio(counts), empty)


def compute_metrics(
    truth: np.ndarray, probability: np.ndarray, threshold: float, weights: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Return every metric of `METRICS` for each weighting.

    Args:
        truth: Whether each scan is positive, (n,) bool.
        probability: Probability of the positive class (0..1), (n,).
        threshold: A scan is called positive when its probability is at least this.
        weights: How often each scan counts, (n, draws), not negative; None is one weighting of ones.

    Returns:
        Values (draws,) by name. Weightings without one of the classes give NaN in AUROC.

    Raises:
        UsageError: Shapes do not fit.
    """
    truth = np.asarray(truth, dtype=bool)
    probability = np.asarray(probability, dtype=float)
    weights = np.ones((len(truth), 1)) if weights is None else np.asarray(weights, dtype=float)
    if truth.shape != probability.shape or truth.ndim != 1 or len(weights) != len(truth):
        raise UsageError("metrics: truth, probability and weights must cover the same scans")
    confusion = counts(truth, probability >= threshold, weights)
    predictions = WeightedPredictions(truth, probability, weights, confusion)
    return {name: metric.of(predictions) for name, metric in METRICS.items()}


def shown_in(table: Table) -> list[Metric]:
    """Return the metrics that have a column in a table, in the order of `METRICS`."""
    return [metric for metric in METRICS.values() if table in metric.shown_in]


def rates(counts: Counts, empty: float = 0.0) -> dict[str, np.ndarray]:
    """Return the metrics that follow from confusion counts, (draws,) by name.

    Args:
        counts: Confusion counts.
        empty: Value of the ratio 0 / 0.
    """
    return {name: metric.rate(counts, empty) for name, metric in METRICS.items() if metric.ratio}


def counts(truth: np.ndarray, called: np.ndarray, weights: np.ndarray | None = None) -> Counts:
    """Return the weighted confusion counts of decisions.

    Args:
        truth: Whether each scan is positive, (n,) bool.
        called: Whether each scan is called positive, (n,) bool.
        weights: How often each scan counts, (n, draws); None is one weighting of ones.
    """
    weights = np.ones((len(truth), 1)) if weights is None else weights
    members = np.stack([truth & called, ~truth & called, ~truth & ~called, truth & ~called])
    return Counts(*(members.astype(float) @ weights))


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


def likelihood_ratios(rate: Mapping[str, float]) -> tuple[float, float]:
    """Return LR+ and LR- from recall and specificity (0..1); infinite where no error was made."""
    recall, specificity = rate["recall"], rate["specificity"]
    positive = recall / (1 - specificity) if specificity < 1 else np.inf
    negative = (1 - recall) / specificity if specificity > 0 else np.inf
    return positive, negative


def mass_bins(probability: np.ndarray, bins: int = BINS) -> np.ndarray:
    """Return each scan's bin (n,), 0..bins-1, of equal numbers of scans; equal probabilities share a bin."""
    edges = np.unique(np.quantile(probability, np.arange(1, bins) / bins, method="inverted_cdf"))
    return np.searchsorted(edges, probability, side="left")


def calibration_error(truth: np.ndarray, probability: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the expected calibration error (draws,) over equal-mass bins of the unweighted scans."""
    member = mass_bins(probability)
    gaps = np.zeros((member.max() + 1, len(probability)))
    gaps[member, np.arange(len(probability))] = truth - probability
    return _divide(np.abs(gaps @ weights).sum(axis=0), weights.sum(axis=0))


def _brier(predictions: WeightedPredictions) -> np.ndarray:
    errors = (predictions.probability - predictions.truth) ** 2
    return _divide(errors @ predictions.weights, predictions.weights.sum(axis=0))


def _balanced_accuracy(c: Counts) -> tuple[np.ndarray, np.ndarray]:
    recall, specificity = _divide(c.tp, c.tp + c.fn), _divide(c.tn, c.tn + c.fp)
    return recall + specificity, np.full_like(recall, 2.0)


def _mcc(c: Counts) -> tuple[np.ndarray, np.ndarray]:
    product = (c.tp + c.fp) * (c.tp + c.fn) * (c.tn + c.fp) * (c.tn + c.fn)
    return c.tp * c.tn - c.fp * c.fn, np.sqrt(product)


def _divide(numerator: np.ndarray, denominator: np.ndarray, empty: float = 0.0) -> np.ndarray:
    quotient = np.full_like(denominator, empty, dtype=float)
    np.divide(numerator, denominator, out=quotient, where=denominator > 0)
    return quotient


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "auroc",
            "AUROC",
            compute=lambda predictions: predictions.areas[0],
            shown_in=frozenset({"results", "experiment cells", "app"}),
        ),
        Metric(
            "average_precision",
            "average precision",
            compute=lambda predictions: predictions.areas[1],
            shown_in=frozenset({"results", "experiment cells"}),
        ),
        Metric(
            "precision",
            "precision",
            ratio=lambda c: (c.tp, c.tp + c.fp),
            shown_in=frozenset({"results", "experiment cells", "operating points", "app", "app threshold"}),
        ),
        Metric(
            "recall",
            "recall",
            ratio=lambda c: (c.tp, c.tp + c.fn),
            shown_in=frozenset({"results", "experiment cells", "operating points", "app", "app threshold"}),
        ),
        Metric(
            "specificity",
            "specificity",
            ratio=lambda c: (c.tn, c.tn + c.fp),
            shown_in=frozenset({"results", "experiment cells", "operating points", "app threshold"}),
        ),
        Metric("npv", "NPV", ratio=lambda c: (c.tn, c.tn + c.fn), shown_in=frozenset({"operating points"})),
        Metric(
            "f1",
            "F1",
            ratio=lambda c: (2 * c.tp, 2 * c.tp + c.fp + c.fn),
            shown_in=frozenset({"results", "experiment cells", "operating points", "app", "app threshold"}),
        ),
        Metric(
            "balanced_accuracy",
            "balanced accuracy",
            ratio=_balanced_accuracy,
            shown_in=frozenset({"operating points"}),
        ),
        Metric("mcc", "MCC", ratio=_mcc, shown_in=frozenset({"operating points"})),
        Metric(
            "brier",
            "Brier score",
            compute=_brier,
            higher_is_better=False,
            shown_in=frozenset({"experiment cells"}),
        ),
        Metric(
            "ece",
            "calibration error",
            compute=lambda predictions: calibration_error(
                predictions.truth, predictions.probability, predictions.weights
            ),
            higher_is_better=False,
            shown_in=frozenset({"experiment cells"}),
        ),
    )
}
"""Every metric by name, in the order of the tables."""
