"""Robustness to corruptions of known severity."""

from __future__ import annotations

import pytest

from medcl.evaluate import Evaluation


def test_robustness_falls_with_severity(result: Evaluation) -> None:
    table = result.analyses["robustness"].set_index("severity")
    assert table.index.tolist() == [1, 3, 5]
    assert table["value"].is_monotonic_decreasing
    assert table.at[5, "change_high"] < 0
    clean = result.arms.set_index(["arm", "budget", "metric"]).at[
        ("simclr-probe", "20/class", "auroc"), "value"
    ]
    assert (table["value"] - table["change"]).tolist() == pytest.approx([clean] * 3)
    assert "simclr-probe@noise-1" not in set(result.arms["arm"])
