"""Tests of two arms on the same scans, seed by seed."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from medcl.evaluate.analyses.resampling import Resampled
from medcl.statistics import adjust, delong, mcnemar


def paired_tests(resampled: Resampled, arm: str, baseline: str, budgets: Iterable[str]) -> pd.DataFrame:
    """Return DeLong's and McNemar's tests of `arm` against `baseline` for each budget and seed.

    Empty where a patient has several scans, since both tests assume independent scans.

    Returns:
        Columns budget, seed, difference, error, delong_p, arm_only, baseline_only (scans that only the one
        or only the other classified correctly), mcnemar_p, and both p-values adjusted over all rows.
    """
    panel = resampled.panel
    rows = []
    for budget in budgets if panel.one_scan_per_patient else ():
        arm_rows, baseline_rows = panel.rows(arm, budget), panel.rows(baseline, budget)
        for seed in (seed for seed in arm_rows if seed in baseline_rows):
            pair = (arm_rows[seed], baseline_rows[seed])
            test = delong(panel.truth, *panel.probability[list(pair)])
            arm_correct, baseline_correct = (
                (panel.probability[row] >= resampled.points[row][0].threshold) == panel.truth for row in pair
            )
            only = int((arm_correct & ~baseline_correct).sum()), int((baseline_correct & ~arm_correct).sum())
            rows.append((budget, seed, test.difference, test.error, test.p, *only, mcnemar(*only)))
    columns = ["budget", "seed", "difference", "error", "delong_p", "arm_only", "baseline_only", "mcnemar_p"]
    table = pd.DataFrame(rows, columns=columns)
    for name in ("delong_p", "mcnemar_p"):
        table[f"{name}_adjusted"] = adjust(table[name].to_numpy(dtype=float))
    return table
