"""Tests of two arms on the same scans, and the correction for several of them."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from medcl.evaluate.analyses.resampling import Resampled
from medcl.statistics.delong import delong
from medcl.statistics.multiplicity import holm, mcnemar


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
        table[f"{name}_adjusted"] = holm(table[name].to_numpy(dtype=float))
    return table
