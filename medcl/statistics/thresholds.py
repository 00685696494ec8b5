"""Operating points, chosen on validation scans only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FIXED = (("recall", 0.90), ("recall", 0.95), ("specificity", 0.90), ("specificity", 0.95))


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold and the rule that chose it; a scan is positive at `threshold` or above."""

    rule: str
    threshold: float


def operating_points(truth: np.ndarray, probability: np.ndarray) -> list[OperatingPoint]:
    """Choose the operating points on validation scans; the first, the main one, maximizes F1.

    Candidates lie half-way between neighboring validation probabilities, below them all and above them all.
    If several thresholds maximize F1, the highest is chosen (fewest positive calls). For a fixed recall the
    highest threshold that reaches it is chosen, for a fixed specificity the lowest. Without both classes the
    only operating point is 0.5.

    Args:
        truth: Whether each validation scan of one cell is positive, (n,) bool; may be empty.
        probability: Probabilities (n,) of the same scans.
    """
    truth = np.asarray(truth, dtype=bool)
    if truth.all() or not truth.any():
        return [OperatingPoint("0.5 (validation scans lack a class)", 0.5)]
    candidates, recall, specificity, f1 = _sweep(truth, np.asarray(probability, dtype=float))
    best = np.flatnonzero(f1 >= f1.max() - 1e-12)[-1]
    points = [OperatingPoint("maximizes F1 on validation", float(candidates[best]))]
    for metric, target in FIXED:
        if metric == "recall":
            at = np.flatnonzero(recall >= target - 1e-12)[-1]
        else:
            at = np.flatnonzero(specificity >= target - 1e-12)[0]
        points.append(OperatingPoint(f"{metric} {target:.2f} on validation", float(candidates[at])))
    return points


def _sweep(
    truth: np.ndarray, probability: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return candidate thresholds (k,) with recall, specificity and F1 at each."""
    values = np.unique(probability)
    candidates = np.concatenate([values[:1], (values[1:] + values[:-1]) / 2, [np.nextafter(values[-1], 2)]])
    positive, negative = np.sort(probability[truth]), np.sort(probability[~truth])
    tp = len(positive) - np.searchsorted(positive, candidates, side="left")
    fp = len(negative) - np.searchsorted(negative, candidates, side="left")
    f1 = 2 * tp / (2 * tp + fp + len(positive) - tp)
    return candidates, tp / len(positive), 1 - fp / len(negative), f1
