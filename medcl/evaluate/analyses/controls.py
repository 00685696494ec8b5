"""Controls: whether the label can be predicted without looking at the disease."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from medcl.evaluate.arms import budget_label
from medcl.evaluate.study_record import ArmRecord

LIMIT = 0.6


def control_warnings(arms: pd.DataFrame, arm_records: Mapping[str, ArmRecord]) -> list[str]:
    """Return a warning for each control whose AUROC interval lies above .6, at its strongest budget.

    Args:
        arms: Table of that name in `Evaluation`.
        arm_records: Descriptions of the arms, which say what is a control.
    """
    controls = [arm for arm, record in arm_records.items() if record.control]
    auroc = arms[(arms["metric"] == "auroc") & arms["arm"].isin(controls)]
    warnings = []
    strongest = auroc[auroc["low"] > LIMIT].sort_values("low", ascending=False).drop_duplicates("arm")
    columns = ["arm", "budget", "value", "low", "high"]
    for arm, budget, value, low, high in strongest[columns].itertuples(index=False, name=None):
        record = arm_records[arm]
        description = f" ({record.description.removesuffix(' (control)')})" if record.description else ""
        implication = f": {record.implication}" if record.implication else "."
        warnings.append(
            f"Control {arm}{description} reaches AUROC {value:.3f} (95 % CI {low:.3f} to {high:.3f}) "
            f"with {budget_label(budget)}{implication}"
        )
    return warnings
