"""The main table of the report: one row per arm and budget."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from medcl.evaluate.arms import budget_label
from medcl.evaluate.evaluation import Evaluation
from medcl.evaluate.formatting import interval, number, p_value, signed
from medcl.statistics import METRICS, Metric, shown_in


@dataclass(frozen=True)
class Cell:
    """Lines of text, and lines of small print below them."""

    text: list[str]
    note: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Column:
    """A column: lines of its heading, and its cell for an arm at a budget."""

    heading: list[str]
    cell: Callable[[str, str], Cell]


def columns(result: Evaluation) -> list[Column]:
    """Return the columns of the table; those of metrics come from `METRICS`."""
    primary = result.primary
    arms, differences = _by_key(result.arms), _by_key(result.differences)
    return [
        Column(["Arm"], partial(_arm, result, arms)),
        *(Column([metric.heading], partial(_metric, metric, arms)) for metric in shown_in("results")),
        Column(["TP / FP", "FN / TN"], partial(_counts, result)),
        Column(
            [f"Difference in {METRICS[primary.metric].label}", f"from {primary.baseline}"],
            partial(_difference, primary.metric, differences),
        ),
    ]


def results_table(result: Evaluation) -> list[dict[str, Any]]:
    """Return the rows of the table, grouped by budget."""
    groups = []
    for budget in result.budgets:
        arms = dict.fromkeys(result.arms.loc[result.arms["budget"] == budget, "arm"])
        rows = [
            {"kind": _kind(result, arm), "cells": [column.cell(arm, budget) for column in columns(result)]}
            for arm in arms
        ]
        groups.append({"budget": budget_label(budget), "rows": rows})
    return groups


Rows = Mapping[tuple[str, str, str], Mapping[Hashable, Any]]


def _by_key(table: pd.DataFrame) -> Rows:
    return {(row["arm"], row["budget"], row["metric"]): row for row in table.to_dict("records")}


def _kind(result: Evaluation, arm: str) -> str:
    if arm == result.primary.baseline:
        return "baseline"
    return "control" if arm in result.controls else ""


def _arm(result: Evaluation, arms: Rows, arm: str, budget: str) -> Cell:
    seeds, kind = arms[arm, budget, "auroc"]["seeds"], _kind(result, arm)
    return Cell([arm], [f"{seeds} seed{'' if seeds == 1 else 's'}" + (f" · {kind}" if kind else "")])


def _metric(metric: Metric, arms: Rows, arm: str, budget: str) -> Cell:
    row = arms[arm, budget, metric.name]
    return Cell([number(row["value"])], [interval(row["low"], row["high"])])


def _counts(result: Evaluation, arm: str, budget: str) -> Cell:
    """Return the confusion counts at the threshold, mean over seeds."""
    table = result.experiment_cells
    cells = table[(table["arm"] == arm) & (table["budget"] == budget)]
    tp, fp, fn, tn = (f"{cells[name].mean():.0f}" for name in ("tp", "fp", "fn", "tn"))
    return Cell([f"{tp} / {fp}", f"{fn} / {tn}"])


def _difference(metric: str, differences: Rows, arm: str, budget: str) -> Cell:
    row = differences.get((arm, budget, metric))
    if row is None:
        return Cell([])
    note = [interval(row["low"], row["high"])]
    if not np.isnan(row["p_adjusted"]):
        note.append(p_value(row["p_adjusted"]))
    return Cell([signed(row["value"])], note)
