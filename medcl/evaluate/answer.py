"""The answer in one sentence: did the method beat the baseline, by how much, where."""

from __future__ import annotations

import pandas as pd

from medcl.evaluate.arms import in_words
from medcl.evaluate.comparison import Primary
from medcl.evaluate.formatting import p_value, signed
from medcl.statistics.metrics import LESS_IS_BETTER, NAMES

ALPHA = 0.05


def verdicts(primary: Primary, differences: pd.DataFrame) -> pd.DataFrame:
    """Return the primary comparison's rows and a verdict: "better", "worse" or "no difference shown".

    A verdict other than the last needs Holm's p below .05 and an interval beyond the margin.
    """
    chosen = (differences["arm"] == primary.arm) & (differences["metric"] == primary.metric)
    if primary.budgets:
        chosen &= differences["budget"].isin(primary.budgets)
    rows = differences[chosen].copy()
    sure = rows["p_adjusted"] < ALPHA
    above, below = sure & (rows["low"] > primary.margin), sure & (rows["high"] < min(primary.margin, 0.0))
    if primary.metric in LESS_IS_BETTER:
        above, below = (
            sure & (rows["high"] < -primary.margin),
            sure & (rows["low"] > max(-primary.margin, 0.0)),
        )
    rows["verdict"] = "no difference shown"
    rows.loc[above, "verdict"] = "better"
    rows.loc[below, "verdict"] = "worse"
    return rows


def answer(primary: Primary, stated: bool, differences: pd.DataFrame) -> str:
    """Return the first sentence of the report."""
    rows = verdicts(primary, differences)
    method, baseline = f"Contrastive pretraining ({primary.arm})", f"the {primary.baseline} baseline"
    by = dict(list(rows.groupby("verdict")))
    metric = NAMES[primary.metric]
    better, worse, neither = (
        by.get(name, rows.iloc[:0]) for name in ("better", "worse", "no difference shown")
    )
    if len(better):
        text = f"{method} beat {baseline} in test {metric} with {_list(better)}"
        text += f"; with {_list(worse)} it did worse" if len(worse) else ""
        text += f"; no difference was shown with {_list(neither)}" if len(neither) else ""
    elif len(worse):
        text = f"{method} did not beat {baseline}: its test {metric} was worse with {_list(worse)}"
        text += f", and no difference was shown with {_list(neither)}" if len(neither) else ""
    else:
        corrected = f", after Holm's correction for {len(rows)} budgets," if len(rows) > 1 else ""
        text = f"{method} did not beat {baseline}: no difference in test {metric} was shown{corrected}"
        text += f" with {_list(neither)}"
    return text + ("." if stated else ", a comparison chosen after the run (exploratory).")


def _list(rows: pd.DataFrame) -> str:
    parts = [
        f"{in_words(budget)} ({signed(value)}, 95 % CI {signed(low)} to {signed(high)}, {p_value(p)})"
        for budget, value, low, high, p in zip(
            *(rows[name] for name in ("budget", "value", "low", "high", "p_adjusted")), strict=True
        )
    ]
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]
