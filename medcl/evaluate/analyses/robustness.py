"""How arms fare on test images corrupted in graded, physically meant ways."""

from __future__ import annotations

import numpy as np
import pandas as pd

from medcl.evaluate.analyses.resampling import Resampled
from medcl.evaluate.arms import corruption
from medcl.statistics.metrics import areas


def robustness(predictions: pd.DataFrame, found: Resampled) -> pd.DataFrame:
    """Return the AUROC under each corruption and its drop from the clean images, with paired intervals.

    Reads the arms named "arm@corruption-severity". Cells without a clean counterpart, or that lack a
    test scan, are left out.

    Returns:
        arm, budget, corruption, severity, value, low, high, change (negative: worse), change_low,
        change_high, seeds.
    """
    board = found.panel
    corrupted = predictions[predictions["arm"].str.contains("@") & (predictions["split"] == "test")]
    rows = []
    for name, budget in corrupted[["arm", "budget"]].drop_duplicates().itertuples(index=False, name=None):
        cells = corrupted[(corrupted["arm"] == name) & (corrupted["budget"] == budget)]
        parts = corruption(name)
        if parts is None:
            continue
        arm, kind, severity = parts
        wide = (
            cells.pivot(index="seed", columns="scan", values="probability")
            .reindex(columns=board.scan)
            .dropna()
        )
        probability = {
            board.rows(arm, budget)[seed]: wide.loc[seed].to_numpy()
            for seed in wide.index
            if seed in board.rows(arm, budget)
        }
        if not probability:
            continue

        def statistic(
            row: int, weights: np.ndarray, probability: dict[int, np.ndarray] = probability
        ) -> np.ndarray:
            bad, clean = (
                areas(board.truth, p, weights)[0] for p in (probability[row], board.probability[row])
            )
            return np.stack([bad, bad - clean])

        value, change = found.samples(list(probability), statistic)
        rows.append(
            (
                arm,
                budget,
                kind,
                severity,
                value.value,
                *value.interval(),
                change.value,
                *change.interval(),
                len(probability),
            )
        )
    columns = ["arm", "budget", "corruption", "severity", "value", "low", "high"]
    columns += ["change", "change_low", "change_high", "seeds"]
    return pd.DataFrame(rows, columns=columns).sort_values(
        ["corruption", "arm", "budget", "severity"], ignore_index=True
    )
