"""Robustness: AUROC on test images with corruptions of graded severity."""

from __future__ import annotations

import numpy as np
import pandas as pd

from medcl.evaluate.analyses.resampling import Resampled
from medcl.evaluate.arms import corruption
from medcl.statistics import areas

COLUMNS = [
    "arm",
    "budget",
    "corruption",
    "severity",
    "value",
    "low",
    "high",
    "change",
    "change_low",
    "change_high",
    "seeds",
]


def robustness(predictions: pd.DataFrame, resampled: Resampled) -> pd.DataFrame:
    """Return the AUROC under each corruption and its change from the clean images, with paired intervals.

    Reads the arms named "arm@corruption-severity". Cells without a clean counterpart, or without some test
    scan, are left out.

    Returns:
        Columns `COLUMNS`; change is negative where the corrupted images give a lower AUROC.
    """
    panel = resampled.panel
    corrupted = predictions[predictions["arm"].str.contains("@") & (predictions["split"] == "test")]
    rows = []
    for name, budget in corrupted[["arm", "budget"]].drop_duplicates().itertuples(index=False, name=None):
        parts = corruption(name)
        if parts is None:
            continue
        arm, kind, severity = parts
        cells = corrupted[(corrupted["arm"] == name) & (corrupted["budget"] == budget)]
        wide = cells.pivot(index="seed", columns="scan", values="probability")
        wide = wide.reindex(columns=panel.scan).dropna()
        clean_rows = panel.rows(arm, budget)
        probability = {
            clean_rows[seed]: wide.loc[seed].to_numpy() for seed in wide.index if seed in clean_rows
        }
        if not probability:
            continue

        def statistic(
            row: int, weights: np.ndarray, probability: dict[int, np.ndarray] = probability
        ) -> np.ndarray:
            under_corruption, clean = (
                areas(panel.truth, p, weights)[0] for p in (probability[row], panel.probability[row])
            )
            return np.stack([under_corruption, under_corruption - clean])

        value, change = resampled.samples(list(probability), statistic)
        estimates = (value.value, *value.interval(), change.value, *change.interval())
        rows.append((arm, budget, kind, severity, *estimates, len(probability)))
    return pd.DataFrame(rows, columns=COLUMNS).sort_values(
        ["corruption", "arm", "budget", "severity"], ignore_index=True
    )
