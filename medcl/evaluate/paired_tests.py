"""Tests of two arms on the same scans, and the correction for several of them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from scipy import stats

from medcl.delong import delong
from medcl.evaluate.resampled import Resampled


def mcnemar(first_only: int, second_only: int) -> float:
    """Return the exact two-sided p-value of McNemar's test.

    Args:
        first_only: patients whom only the first arm called rightly.
        second_only: patients whom only the second did.
    """
    discordant = first_only + second_only
    return float(stats.binomtest(first_only, discordant, 0.5).pvalue) if discordant else 1.0


def holm(p_values: np.ndarray) -> np.ndarray:
    """Return Holm's adjusted p-values (Holm 1979): a family is tested at .05 by comparing each with .05.

    Args:
        p_values: (k,) of one family.
    """
    p_values = np.asarray(p_values, dtype=float)
    order = np.argsort(p_values, kind="stable")
    stepped = np.maximum.accumulate(p_values[order] * np.arange(len(p_values), 0, -1))
    adjusted = np.empty_like(stepped)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def paired_tests(found: Resampled, arm: str, baseline: str, budgets: Iterable[str]) -> pd.DataFrame:
    """Return DeLong's and McNemar's tests of `arm` against `baseline` for each budget and seed.

    Empty where a patient has several scans, which both tests take to be independent.

    Returns:
        budget, seed, difference, error, delong_p, arm_only, baseline_only (rightly called), mcnemar_p, and
        both p-values after Holm over all rows.
    """
    board = found.panel
    rows = []
    for budget in budgets if board.one_scan_a_patient else ():
        mine, theirs = board.rows(arm, budget), board.rows(baseline, budget)
        for seed in (seed for seed in mine if seed in theirs):
            pair = (mine[seed], theirs[seed])
            test = delong(board.truth, *board.probability[list(pair)])
            right, right_too = (
                (board.probability[row] >= found.points[row][0].threshold) == board.truth for row in pair
            )
            only = int((right & ~right_too).sum()), int((right_too & ~right).sum())
            rows.append((budget, seed, test.difference, test.error, test.p, *only, mcnemar(*only)))
    columns = ["budget", "seed", "difference", "error", "delong_p", "arm_only", "baseline_only", "mcnemar_p"]
    table = pd.DataFrame(rows, columns=columns)
    for name in ("delong_p", "mcnemar_p"):
        table[f"{name}_holm"] = holm(table[name].to_numpy(dtype=float))
    return table
