"""The page itself: what each of its tables says, in words and rounded numbers."""

from __future__ import annotations

import base64
import re
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

import medcl
from medcl.evaluate.arms import in_words
from medcl.evaluate.evaluation import Evaluation
from medcl.evaluate.formatting import interval, number, p_value, signed
from medcl.evaluate.report.sections import further_sections
from medcl.evaluate.report.templating import page_template
from medcl.evaluate.study_record import StudyRecord
from medcl.statistics.metrics import NAMES

SHOWN = ("auroc", "average_precision", "precision", "recall", "specificity", "f1")
IN_CELLS = (*SHOWN, "brier", "ece")


def render(
    result: Evaluation,
    record: StudyRecord,
    predictions: pd.DataFrame,
    costs: pd.DataFrame | None,
    drawn: Mapping[str, str],
    checklists: Mapping[str, pd.DataFrame],
) -> str:
    """Return the page: every value escaped, figures embedded as images, nothing fetched.

    Args:
        costs: see `write_report`; None when not recorded.
        drawn: name -> SVG of each figure.
        checklists: name -> filled checklist.
    """
    arms = dict.fromkeys(result.arms["arm"])
    return page_template("report.html.j2").render(
        record=record,
        result=result,
        figures={name: embedded(svg) for name, svg in drawn.items()},
        prevalence=float(result.resampled.panel.truth.mean()),
        metric=NAMES[result.primary.metric],
        names=[NAMES[name] for name in SHOWN],
        table=_table(result),
        arms=[(arm, result.description(arm)) for arm in arms],
        splits=_splits(predictions, record),
        costs=_costs(costs),
        cells=_cells(result),
        further=further_sections(result),
        protocol=_protocol(result, record),
        done=_done(result, record),
        not_done=_not_done(result, record, predictions),
        checklists={name: table.to_dict("records") for name, table in checklists.items()},
        version=medcl.__version__,
    )


def embedded(svg: str) -> dict[str, str]:
    """Return an SVG as base64 and the width in pixels to show it at: all figures to one scale."""
    width = re.search(r'<svg[^>]*? width="([\d.]+)pt"', svg)
    points = float(width[1]) if width else 511.0
    return {"data": base64.b64encode(svg.encode()).decode(), "width": f"{points * 1.8:.0f}"}


def _table(result: Evaluation) -> list[dict[str, Any]]:
    """Return the rows of the main table, grouped by budget."""
    arms, differences = _by_key(result.arms), _by_key(result.differences)
    groups = []
    for budget in result.budgets:
        rows = []
        for arm in dict.fromkeys(result.arms.loc[result.arms["budget"] == budget, "arm"]):
            rows.append(
                {
                    "arm": arm,
                    "control": arm in result.controls,
                    "baseline": arm == result.primary.baseline,
                    "seeds": arms[arm, budget, "auroc"]["seeds"],
                    "metrics": [_value(arms[arm, budget, name]) for name in SHOWN],
                    "counts": _counts(result, arm, budget),
                    "difference": _difference(differences.get((arm, budget, result.primary.metric))),
                }
            )
        groups.append({"budget": in_words(budget), "rows": rows})
    return groups


def _by_key(table: pd.DataFrame) -> dict[tuple[str, str, str], Mapping[Hashable, Any]]:
    return {(row["arm"], row["budget"], row["metric"]): row for row in table.to_dict("records")}


def _value(row: Mapping[Hashable, Any]) -> tuple[str, str]:
    return number(row["value"]), interval(row["low"], row["high"])


def _difference(row: Mapping[Hashable, Any] | None) -> dict[str, str] | None:
    if row is None:
        return None
    p = "" if np.isnan(row["p_adjusted"]) else p_value(row["p_adjusted"])
    return {"value": signed(row["value"]), "interval": interval(row["low"], row["high"]), "p": p}


def _counts(result: Evaluation, arm: str, budget: str) -> list[str]:
    """Return TP, FP, FN, TN at the threshold: the mean over seeds."""
    cells = result.cells[(result.cells["arm"] == arm) & (result.cells["budget"] == budget)]
    return [f"{cells[name].mean():.0f}" for name in ("tp", "fp", "fn", "tn")]


def _splits(predictions: pd.DataFrame, record: StudyRecord) -> list[tuple[str, ...]]:
    """Return split, scans, patients and positives, as the record tell, else as the test predictions show."""
    told = {name: (c.scans, c.patients, c.positive) for name, c in record.counts.items()}
    if "test" not in told:
        test = predictions[predictions["split"] == "test"].drop_duplicates("scan")
        told["test"] = (len(test), test["patient"].nunique(), int(test["truth"].sum()))
    rows = []
    for name in ("train", "val", "test"):
        values = told.get(name, (None, None, None))
        rows.append((name, *("not recorded" if value is None else f"{value:,}" for value in values)))
    return rows


def _costs(costs: pd.DataFrame | None) -> list[dict[str, str]]:
    if costs is None or costs.empty:
        return []
    return [
        {
            "Arm": str(arm),
            "Cells": f"{len(cells)}",
            "Trials a cell (most)": _recorded(cells, "candidates", "max", ",.0f"),
            "Seconds a cell (mean)": _recorded(cells, "seconds", "mean", ".1f"),
            "Minutes in all": f"{cells['seconds'].sum() / 60:.1f}",
            "Peak memory (MiB)": _recorded(cells, "peak_mib", "max", ",.0f"),
            "Energy in all (Wh, estimate)": _recorded(cells, "energy_wh", "sum", ".2f"),
            "Parameters": _recorded(cells, "parameters", "max", ",.0f"),
        }
        for arm, cells in costs.groupby("arm", sort=False)
    ]


def _recorded(cells: pd.DataFrame, name: str, over_cells: str, form: str) -> str:
    """Return a figure over the cells of an arm, unless one of them lacks it."""
    if name not in cells or cells[name].isna().any():
        return "not recorded"
    return format(cells[name].agg(over_cells), form)


def _cells(result: Evaluation) -> list[dict[str, Any]]:
    order = {budget: i for i, budget in enumerate(result.budgets)}
    table = result.cells.assign(order=result.cells["budget"].map(order)).sort_values(["order", "arm", "seed"])
    return [
        {
            **{name: str(row[name]) for name in ("arm", "budget", "seed", "tp", "fp", "fn", "tn")},
            "threshold": number(row["threshold"]),
            "metrics": [number(row[name]) for name in IN_CELLS],
        }
        for _, row in table.iterrows()
    ]


def _protocol(result: Evaluation, record: StudyRecord) -> list[str]:
    """Return what was stated before the run and whether it was kept."""
    primary = result.primary
    if not result.stated:
        return ["No primary comparison was stated before the run; everything here is exploratory."]
    budgets = ", ".join(in_words(budget) for budget in primary.budgets or result.budgets)
    lines = [
        f"Stated before the run: {primary.arm} against {primary.baseline}, {NAMES[primary.metric]}, "
        f"with {budgets}, margin {primary.margin:g}. Everything else on this page is exploratory."
    ]
    departures = [*(record.departures or []), *_seeds_missing(result)]
    if departures:
        lines += [f"Departure: {departure}" for departure in departures]
    elif record.departures is None:
        lines.append("Whether the rest of the protocol was kept is not recorded.")
    else:
        lines.append("The protocol was kept.")
    return lines


def _seeds_missing(result: Evaluation) -> list[str]:
    rows = result.resampled.panel.rows
    pair = (result.primary.arm, result.primary.baseline)
    return [
        f"{arm} with {in_words(budget)} has {len(rows(arm, budget))} seeds, the other arm {most}."
        for budget in result.primary.budgets or result.budgets
        for most in [max(len(rows(arm, budget)) for arm in pair)]
        for arm in pair
        if len(rows(arm, budget)) < most
    ]


def _done(result: Evaluation, record: StudyRecord) -> list[str]:
    board, resampler = result.resampled.panel, result.resampled.resampler
    draws = resampler.counts.shape[1]
    return [
        f"Every arm, budget and seed was tested on the same {len(board.truth):,} scans of {board.patients:,} "
        f"patients ({int(board.truth.sum()):,} {record.positive}); no threshold was chosen on them.",
        "The threshold of each cell has the most F1 on its own validation scans (of equal ones the highest); "
        "a scan is called positive at the threshold or above.",
        f"Intervals are 95 % BCa bootstrap intervals over {draws:,} draws. Each draw takes patients with all "
        "their scans and then seeds, so that intervals cover the draw of patients and the draw of labels; "
        "their level allows for the small number of seeds (Satterthwaite, Student's t).",
        f"Differences to {result.primary.baseline} are paired by seed and patient on the same draws; "
        "p-values are Holm's over the budgets of the comparison.",
        *record.done,
    ]


def _not_done(result: Evaluation, record: StudyRecord, predictions: pd.DataFrame) -> list[str]:
    missing = []
    if not result.controls:
        missing.append(
            "No control arm was run (shuffled labels, metadata only, background only, random encoder)."
        )
    if result.further["robustness"].empty:
        missing.append("Robustness to corrupted images was not measured.")
    if result.further["subgroups"].empty:
        missing.append(
            "No subgroups were compared: neither site nor other variables of the patients are known."
        )
    if not record.not_done:
        missing.append("No reader took part; the labels are taken as the truth.")
        if predictions.loc[predictions["split"] == "test", "site"].nunique() < 2:
            missing.append("No external test: the test scans are not known to come from more than one site.")
    return [*missing, *record.not_done]
