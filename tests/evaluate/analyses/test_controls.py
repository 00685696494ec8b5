"""Controls warn only where they predict the label."""

from __future__ import annotations

import pandas as pd

from medcl.evaluate import ArmRecord
from medcl.evaluate.analyses.controls import control_warnings


def test_controls_warn_only_where_they_know_too_much() -> None:
    rows = [
        ("metadata-only", "all", "auroc", 0.8, 0.72, 0.87),
        ("metadata-only", "5/class", "auroc", 0.7, 0.61, 0.8),
        ("shuffled-labels", "all", "auroc", 0.62, 0.55, 0.7),
        ("supervised", "all", "auroc", 0.9, 0.85, 0.95),
    ]
    columns = ["arm", "budget", "metric", "value", "low", "high"]
    records = {arm: ArmRecord(control=True) for arm in ("metadata-only", "shuffled-labels")}
    (warning,) = control_warnings(pd.DataFrame(rows, columns=columns), records)
    assert "metadata-only" in warning
    assert "0.800 (95 % CI 0.720 to 0.870) with all labels" in warning
