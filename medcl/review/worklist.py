"""The cases of one cell as a table to work through: outcome, uncertainty, disagreement."""

from __future__ import annotations

import numpy as np
import pandas as pd

from medcl.review.study import Study

OUTCOMES = {
    "TP": "true positive",
    "FN": "false negative (missed)",
    "FP": "false positive (false alarm)",
    "TN": "true negative",
}
ORDERS = {
    "Most uncertain first": ("margin", True),
    "Arms disagree most first": ("disagreement", False),
    "Highest probability first": ("probability", False),
    "Lowest probability first": ("probability", True),
    "By name": ("case", True),
}


def outcomes(truth: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """Return TP, FP, FN or TN a scan, from boolean truth and call."""
    return np.where(truth, np.where(positive, "TP", "FN"), np.where(positive, "FP", "TN"))


def counts(truth: np.ndarray, positive: np.ndarray) -> dict[str, int]:
    """Return how many scans have each outcome."""
    found = outcomes(truth, positive)
    return {name: int((found == name).sum()) for name in OUTCOMES}


def rates(count: dict[str, int]) -> dict[str, float]:
    """Return precision, recall, specificity and F1 of confusion counts; NaN where nothing is divided."""
    tp, fp, fn, tn = (count[name] for name in ("TP", "FP", "FN", "TN"))
    return {
        "precision": tp / (tp + fp) if tp + fp else float("nan"),
        "recall": tp / (tp + fn) if tp + fn else float("nan"),
        "specificity": tn / (tn + fp) if tn + fp else float("nan"),
        "f1": 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else float("nan"),
    }


def table(study: Study, cell: tuple[str, str, int], threshold: float) -> pd.DataFrame:
    """Return a row a test scan: case, patient, truth, outcome, probability, margin, disagreement.

    `margin` is the distance of the probability to the threshold; `disagreement` the range of the arms'
    probabilities at this budget, each arm's mean over its seeds.
    """
    board = study.board
    probability = study.probability(*cell)
    return pd.DataFrame(
        {
            "case": board.scan,
            "patient": study.patients.to_numpy(),
            "truth": np.where(board.truth, study.record.positive, study.record.negative),
            "outcome": outcomes(board.truth, probability >= threshold),
            "probability": probability,
            "margin": np.abs(probability - threshold),
            "disagreement": np.ptp(means(study, cell[1]), axis=0),
        }
    )


def means(study: Study, budget: str) -> np.ndarray:
    """Return (arms, scans): each arm's probability at `budget`, averaged over its seeds; no controls."""
    arms = [arm for arm in study.arm_names if arm not in study.controls]
    rows = [list(study.board.rows(arm, budget).values()) for arm in arms]
    return np.stack([study.board.probability[found].mean(axis=0) for found in rows if found])


def select(cases: pd.DataFrame, outcome: str, truth: str, order: str) -> pd.DataFrame:
    """Return the rows with `outcome` and `truth` (empty text means any), in one of `ORDERS`."""
    keep = np.ones(len(cases), dtype=bool)
    if outcome:
        keep &= (cases["outcome"] == outcome).to_numpy()
    if truth:
        keep &= (cases["truth"] == truth).to_numpy()
    column, ascending = ORDERS[order]
    return cases[keep].sort_values([column, "case"], ascending=[ascending, True])
