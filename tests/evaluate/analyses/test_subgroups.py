"""Subgroups find the group with worse results, and reveal no diagnosis."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from medcl.errors import UsageError
from medcl.evaluate import Evaluation
from medcl.evaluate.analyses.subgroups import subgroups


def test_subgroups_find_the_group_that_fares_worse(result: Evaluation) -> None:
    panel = result.resampled.panel
    rows = list(panel.rows("simclr-probe", "5/class").values())
    wrong = ((panel.probability[rows].mean(axis=0) >= 0.5) != panel.truth) | (
        np.arange(len(panel.truth)) % 4 == 0
    )
    groups = pd.DataFrame({"scan": panel.scan, "scanner": np.where(wrong, "old", "new")})
    groups["age"] = np.arange(len(groups)) % 80 + 7
    groups["rare"] = np.where(np.arange(len(groups)) < 6, "yes", "no")
    groups["unknown"] = None
    table = subgroups(result.resampled, groups, "simclr-probe", "5/class").set_index(["variable", "group"])
    assert table.at[("scanner", "old"), "auroc_gap_high"] < 0 < table.at[("scanner", "new"), "auroc_gap_low"]
    assert table.loc["rare"]["suppressed"].all(), "six patients, and those who could be told by subtraction"
    assert table.loc["rare"]["auroc"].isna().all()
    assert table.loc["rare"]["prevalence"].isna().all(), (
        "the share of positives in a group of one is a diagnosis"
    )
    assert len(table.loc["age"]) == 4
    assert table.loc["age"].index.tolist()[0] == "7 to 25", "numbers are in order, not names"
    assert "unknown" not in table.index.get_level_values("variable")
    assert table.loc["scanner"]["patients"].sum() == 300


def test_groups_must_name_each_scan_once(result: Evaluation) -> None:
    for groups in (pd.DataFrame({"sex": ["F"]}), pd.DataFrame({"scan": ["a", "a"], "sex": ["F", "M"]})):
        with pytest.raises(UsageError, match="names each scan once"):
            subgroups(result.resampled, groups, "simclr-probe", "5/class")
