"""Controls: whether the label can be had without looking at the disease."""

from __future__ import annotations

import pandas as pd

from medcl.evaluate.arms import CONTROLS, in_words, is_control

LIMIT = 0.6


def control_warnings(arms: pd.DataFrame) -> list[str]:
    """Return a warning for each control whose AUROC interval lies above .6, with its strongest budget.

    Args:
        arms: the table of that name in `Evaluation`.
    """
    auroc = arms[(arms["metric"] == "auroc") & arms["arm"].map(is_control)]
    warnings = []
    strongest = auroc[auroc["low"] > LIMIT].sort_values("low", ascending=False).drop_duplicates("arm")
    columns = ["arm", "budget", "value", "low", "high"]
    for arm, budget, value, low, high in strongest[columns].itertuples(index=False, name=None):
        warnings.append(
            f"Control {arm} ({CONTROLS[arm]}) reaches AUROC {value:.3f} (95 % CI {low:.3f} to {high:.3f}) "
            f"with {in_words(budget)}: {_meaning(arm)}"
        )
    return warnings


def _meaning(arm: str) -> str:
    if arm == "shuffled-labels":
        return "the true labels leak into training, and no result here can be trusted."
    if arm == "random-probe":
        return "much of the task needs no learnt features, so judge every arm against this one."
    return "the label can be told without the disease, so arms may have learnt this shortcut."
