"""The answer in one sentence: whether the method beat the baseline, by how much and at which budgets."""

from __future__ import annotations

import pandas as pd

from medcl.evaluate.arms import budget_label
from medcl.evaluate.comparison import Primary
from medcl.evaluate.formatting import p_value, signed
from medcl.statistics import CORRECTION, METRICS

ALPHA = 0.05
BETTER, WORSE, NO_DIFFERENCE = "better", "worse", "no significant difference"


def verdicts(primary: Primary, differences: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the primary comparison with a column `verdict`.

    "better" and "worse" need an adjusted p-value below .05 and an interval beyond the margin.
    """
    rows = (differences["arm"] == primary.arm) & (differences["metric"] == primary.metric)
    if primary.budgets:
        rows &= differences["budget"].isin(primary.budgets)
    table = differences[rows].copy()
    significant = table["p_adjusted"] < ALPHA
    better = significant & (table["low"] > primary.margin)
    worse = significant & (table["high"] < min(primary.margin, 0.0))
    if not METRICS[primary.metric].higher_is_better:
        better = significant & (table["high"] < -primary.margin)
        worse = significant & (table["low"] > max(-primary.margin, 0.0))
    table["verdict"] = NO_DIFFERENCE
    table.loc[better, "verdict"] = BETTER
    table.loc[worse, "verdict"] = WORSE
    return table


def answer(primary: Primary, stated: bool, differences: pd.DataFrame) -> str:
    """Return the first sentence of the report.

    Args:
        primary: The comparison.
        stated: Whether it was stated before the run.
        differences: Table of that name in `Evaluation`.
    """
    table = verdicts(primary, differences)
    method, baseline = f"Contrastive pretraining ({primary.arm})", f"the {primary.baseline} baseline"
    by_verdict = dict(list(table.groupby("verdict")))
    metric = METRICS[primary.metric].label
    metric += "" if METRICS[primary.metric].higher_is_better else " (lower is better)"
    better, worse, neither = (
        by_verdict.get(verdict, table.iloc[:0]) for verdict in (BETTER, WORSE, NO_DIFFERENCE)
    )
    if len(better):
        text = f"{method} beat {baseline} in test {metric} with {_list(better)}"
        text += f"; it was worse with {_list(worse)}" if len(worse) else ""
        text += f"; there was {NO_DIFFERENCE} with {_list(neither)}" if len(neither) else ""
    elif len(worse):
        text = f"{method} did not beat {baseline}: its test {metric} was worse with {_list(worse)}"
        text += f", and there was {NO_DIFFERENCE} with {_list(neither)}" if len(neither) else ""
    else:
        text = f"{method} did not beat {baseline}: {NO_DIFFERENCE} in test {metric} with {_list(neither)}"
    if len(table) > 1:
        text += f"; p-values are adjusted for {len(table)} budgets ({CORRECTION})"
    return text + ("." if stated else ", a comparison chosen after the run (exploratory).")


def _list(rows: pd.DataFrame) -> str:
    columns = ["budget", "value", "low", "high", "p_adjusted"]
    parts = [
        f"{budget_label(budget)} ({signed(value)}, 95 % CI {signed(low)} to {signed(high)}, {p_value(p)})"
        for budget, value, low, high, p in rows[columns].itertuples(index=False, name=None)
    ]
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]
