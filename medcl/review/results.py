"""Tables of the results page, as HTML."""

from __future__ import annotations

import numpy as np
import pandas as pd

from medcl.evaluate.formatting import interval, number, p_value, signed
from medcl.review.html import safe, table
from medcl.review.study import CellKey, Study
from medcl.review.worklist import OUTCOMES
from medcl.statistics import CORRECTION, METRICS, Counts, counts, rates, shown_in


def results_table(study: Study, budget: str) -> str:
    """Return the table of the arms at a budget: metrics, and the difference from the baseline."""
    values = study.arms[study.arms["budget"] == budget]
    differences = study.differences[study.differences["budget"] == budget]
    primary = METRICS[study.primary.metric]
    metrics = list(dict.fromkeys([*shown_in("app"), primary]))
    header = ["Arm"]
    for metric in metrics:
        header += [metric.heading, *([f"Difference in {metric.label}"] if metric is primary else [])]
    rows = []
    for arm in dict.fromkeys(values["arm"]):
        row = [_arm(study, arm)]
        for metric in metrics:
            row.append(_value(values, arm, metric.name))
            row += [_difference(study, differences, arm)] if metric is primary else []
        rows.append(row)
    return table(header, rows)


def table_note(study: Study) -> str:
    """Return the sentence above the table."""
    return (
        f"{len(study.panel.scan):,} test scans of {study.panel.patients:,} patients; mean over seeds, 95 % "
        f"interval; p-values adjusted over the budgets ({CORRECTION}); thresholds chosen on validation scans."
    )


def confusion(study: Study, cell: CellKey, threshold: float) -> Counts:
    """Return the confusion counts of an experiment cell at a threshold."""
    return counts(study.panel.truth, study.probability(*cell) >= threshold)


def outcome_counts(confusion: Counts) -> dict[str, int]:
    """Return the number of scans of each outcome of `OUTCOMES`."""
    return {outcome: int(getattr(confusion, outcome.lower())[0]) for outcome in OUTCOMES}


def rates_sentence(confusion: Counts) -> str:
    """Return the rates at a threshold as text, such as "Precision 0.912, recall 0.871"; 0 / 0 is left out."""
    rate = rates(confusion, empty=np.nan)
    text = ", ".join(
        f"{metric.label} {float(rate[metric.name][0]):.3f}"
        for metric in shown_in("app threshold")
        if np.isfinite(rate[metric.name][0])
    )
    return text[:1].upper() + text[1:]


def _arm(study: Study, arm: str) -> str:
    description = study.description(arm)
    dot = f'<span style="color:{study.colors[arm]}">&#9679;</span> {safe(arm)}'
    return dot + (f'<br><span class="quiet">{safe(description)}</span>' if description else "")


def _value(values: pd.DataFrame, arm: str, metric: str) -> str:
    row = values[(values["arm"] == arm) & (values["metric"] == metric)]
    if row.empty:
        return "not computed"
    value, low, high = (float(row.iloc[0][name]) for name in ("value", "low", "high"))
    return f'{number(value)}<br><span class="interval">{interval(low, high)}</span>'


def _difference(study: Study, differences: pd.DataFrame, arm: str) -> str:
    if arm == study.primary.baseline:
        return '<span class="quiet">baseline</span>'
    row = differences[(differences["arm"] == arm) & (differences["metric"] == study.primary.metric)]
    if row.empty:
        return "not computed"
    value, low, high = (float(row.iloc[0][name]) for name in ("value", "low", "high"))
    p = float(row.iloc[0]["p_adjusted"])
    adjusted = "" if np.isnan(p) else f"<br>{p_value(p)}"
    return f'{signed(value)}<br><span class="interval">{signed(low)} to {signed(high)}{adjusted}</span>'
