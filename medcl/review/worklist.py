"""The test cases of an experiment cell as a worklist: outcome, uncertainty, disagreement of arms."""

from __future__ import annotations

import numpy as np
import pandas as pd

from medcl.review.study import CellKey, Study

OUTCOMES = {
    "TP": "true positive",
    "FN": "false negative (missed)",
    "FP": "false positive (false alarm)",
    "TN": "true negative",
}
ORDERS = {
    "Most uncertain first": ("margin", True),
    "Largest disagreement of arms first": ("disagreement", False),
    "Highest probability first": ("probability", False),
    "Lowest probability first": ("probability", True),
    "By name": ("case", True),
}


def outcomes(truth: np.ndarray, called: np.ndarray) -> np.ndarray:
    """Return TP, FN, FP or TN of each scan, from its truth and whether it is called positive."""
    return np.where(truth, np.where(called, "TP", "FN"), np.where(called, "FP", "TN"))


def worklist(study: Study, cell: CellKey, threshold: float) -> pd.DataFrame:
    """Return one row per test scan: case, patient, truth, outcome, probability, margin, disagreement.

    `margin` is the distance of the probability from the threshold; `disagreement` is the range over arms of
    the probability at this budget, each arm's mean over its seeds.
    """
    panel = study.panel
    probability = study.probability(*cell)
    return pd.DataFrame(
        {
            "case": panel.scan,
            "patient": study.patients.to_numpy(),
            "truth": np.where(panel.truth, study.record.positive, study.record.negative),
            "outcome": outcomes(panel.truth, probability >= threshold),
            "probability": probability,
            "margin": np.abs(probability - threshold),
            "disagreement": np.ptp(mean_probabilities(study, cell[1]), axis=0),
        }
    )


def mean_probabilities(study: Study, budget: str) -> np.ndarray:
    """Return each arm's mean probability over its seeds at `budget`, without controls, (arms, scans)."""
    arms = [arm for arm in study.arm_names if arm not in study.controls]
    rows_by_arm = [list(study.panel.rows(arm, budget).values()) for arm in arms]
    return np.stack([study.panel.probability[rows].mean(axis=0) for rows in rows_by_arm if rows])


def select_cases(cases: pd.DataFrame, outcome: str, truth: str, order: str) -> pd.DataFrame:
    """Return the rows with `outcome` and `truth` (empty text means any), in one of `ORDERS`."""
    keep = np.ones(len(cases), dtype=bool)
    if outcome:
        keep &= (cases["outcome"] == outcome).to_numpy()
    if truth:
        keep &= (cases["truth"] == truth).to_numpy()
    column, ascending = ORDERS[order]
    return cases[keep].sort_values([column, "case"], ascending=[ascending, True])
