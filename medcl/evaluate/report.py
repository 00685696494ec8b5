"""The report of a study: tables, figures and one self-contained page."""

from __future__ import annotations

import base64
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd

import medcl
from medcl.errors import UsageError
from medcl.evaluate import figures
from medcl.evaluate.answer import NAMES
from medcl.evaluate.arms import describe, in_words, is_control
from medcl.evaluate.evaluate import Evaluation, evaluate
from medcl.evaluate.facts import Facts, read_facts
from medcl.evaluate.predictions import read_predictions
from medcl.files import write_text

SHOWN = ("auroc", "average_precision", "precision", "recall", "specificity", "f1")
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def write_report(study: Path, draws: int = 2000, seed: int = 0) -> Evaluation:
    """Evaluate `study`/predictions.parquet and write tables/, figures/ and report.html beside it.

    Reads study.json (see `Facts`) and, where there is one, costs.parquet (arm, budget, seed, seconds,
    parameters).

    Raises:
        UsageError: a file is missing or faulty; then nothing is written.
    """
    if not study.is_dir():
        raise UsageError(f"{study}: no such folder; name a study folder that `medcl study` wrote")
    facts = read_facts(study / "study.json")
    predictions = read_predictions(study / "predictions.parquet")
    costs = study / "costs.parquet"
    primary = facts.protocol.as_primary() if facts.protocol else None
    baseline = {"baseline": primary.baseline} if primary else {}
    result = evaluate(predictions, primary=primary, draws=draws, seed=seed, labels=facts.labels, **baseline)
    drawn = {
        name: figures.save(figure, study / "figures", name)
        for name, figure in figures.draw_all(result).items()
    }
    for name in ("cells", "operating", "arms", "differences"):
        write_csv(getattr(result, name), study / "tables" / f"{name}.csv")
    page = render(result, facts, predictions, pd.read_parquet(costs) if costs.is_file() else None, drawn)
    write_text(page, study / "report.html")
    return result


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV, text that a spreadsheet would run as a formula quoted."""
    safe = table.copy()
    for name in safe.columns:
        if not pd.api.types.is_numeric_dtype(safe[name]):
            safe[name] = [
                f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA_STARTS) else cell
                for cell in safe[name]
            ]
    write_text(safe.to_csv(index=False), path)


def render(
    result: Evaluation,
    facts: Facts,
    predictions: pd.DataFrame,
    costs: pd.DataFrame | None,
    drawn: Mapping[str, str],
) -> str:
    """Return the page: every value escaped, figures embedded as images, nothing fetched."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("medcl.evaluate"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pictures = {name: base64.b64encode(svg.encode()).decode() for name, svg in drawn.items()}
    return environment.get_template("report.html.j2").render(
        facts=facts,
        result=result,
        figures=pictures,
        prevalence=float(result.resampled.panel.truth.mean()),
        metric=NAMES[result.primary.metric],
        names=[NAMES[name] for name in SHOWN],
        table=_table(result),
        arms=[(arm, describe(arm, facts.arms)) for arm in dict.fromkeys(result.arms["arm"])],
        splits=_splits(predictions, facts),
        costs=_costs(costs),
        cells=_cells(result),
        done=_done(result, facts),
        not_done=_not_done(result, facts, predictions),
        version=medcl.__version__,
    )


def number(value: float, places: int = 3) -> str:
    """Return a number with a true minus sign, "-0.000" as "0.000"."""
    text = f"{value:.{places}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "−")


def _table(result: Evaluation) -> list[dict[str, Any]]:
    """Return the rows of the main table, grouped by budget."""
    arms, differences = _by_key(result.arms), _by_key(result.differences)
    groups = []
    for budget in result.budgets:
        rows = []
        for arm in dict.fromkeys(result.arms.loc[result.arms["budget"] == budget, "arm"]):
            difference = differences.get((arm, budget, result.primary.metric))
            rows.append(
                {
                    "arm": arm,
                    "control": is_control(arm),
                    "baseline": arm == result.primary.baseline,
                    "seeds": arms[arm, budget, "auroc"]["seeds"],
                    "metrics": [_interval(arms[arm, budget, name]) for name in SHOWN],
                    "counts": _counts(result, arm, budget),
                    "difference": _difference(difference) if difference else None,
                }
            )
        groups.append({"budget": in_words(budget), "rows": rows})
    return groups


def _by_key(table: pd.DataFrame) -> dict[tuple[str, str, str], Mapping[Hashable, Any]]:
    return {(row["arm"], row["budget"], row["metric"]): row for row in table.to_dict("records")}


def _interval(row: Mapping[Hashable, Any]) -> tuple[str, str]:
    return number(row["value"]), f"{number(row['low'])} to {number(row['high'])}"


def _difference(row: Mapping[Hashable, Any]) -> dict[str, str]:
    sign = "+" if row["value"] > 0 else ""
    p = row["p_holm"]
    told = "" if np.isnan(p) else "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
    return {"value": sign + number(row["value"]), "interval": _interval(row)[1], "p": told}


def _counts(result: Evaluation, arm: str, budget: str) -> list[str]:
    """Return TP, FP, FN, TN at the threshold: the mean over seeds."""
    cells = result.cells[(result.cells["arm"] == arm) & (result.cells["budget"] == budget)]
    return [f"{cells[name].mean():.0f}" for name in ("tp", "fp", "fn", "tn")]


def _splits(predictions: pd.DataFrame, facts: Facts) -> list[tuple[str, ...]]:
    """Return split, scans, patients and positives, as the facts tell, else as the test predictions show."""
    rows = []
    counts = dict(facts.counts)
    told = {name: (c.scans, c.patients, c.positive) for name, c in counts.items()}
    if "test" not in told:
        test = predictions[predictions["split"] == "test"].drop_duplicates("scan")
        told["test"] = (len(test), test["patient"].nunique(), int(test["truth"].sum()))
    for name in ("train", "val", "test"):
        values = told.get(name, (None, None, None))
        rows.append((name, *("not recorded" if value is None else f"{value:,}" for value in values)))
    return rows


def _costs(costs: pd.DataFrame | None) -> list[dict[str, str]]:
    if costs is None or costs.empty:
        return []
    return [
        {
            "arm": str(arm),
            "cells": f"{len(rows)}",
            "seconds": f"{rows['seconds'].mean():.1f}",
            "total": f"{rows['seconds'].sum() / 60:.1f}",
            "parameters": f"{int(rows['parameters'].max()):,}"
            if rows["parameters"].notna().any()
            else "not recorded",
        }
        for arm, rows in costs.groupby("arm", sort=False)
    ]


def _cells(result: Evaluation) -> list[dict[str, Any]]:
    columns = ("auroc", "average_precision", "precision", "recall", "specificity", "f1", "brier", "ece")
    order = {budget: i for i, budget in enumerate(result.budgets)}
    table = result.cells.assign(order=result.cells["budget"].map(order)).sort_values(["order", "arm", "seed"])
    return [
        {
            **{name: str(row[name]) for name in ("arm", "budget", "seed", "tp", "fp", "fn", "tn")},
            "threshold": number(row["threshold"]),
            "metrics": [number(row[name]) for name in columns],
        }
        for _, row in table.iterrows()
    ]


def _done(result: Evaluation, facts: Facts) -> list[str]:
    board, resampler = result.resampled.panel, result.resampled.resampler
    draws = resampler.counts.shape[1]
    return [
        f"Every arm, budget and seed was tested on the same {len(board.truth):,} scans of {board.patients:,} "
        f"patients ({int(board.truth.sum()):,} {facts.positive}); no threshold was chosen on them.",
        "The threshold of each cell has the most F1 on its own validation scans (of equal ones the highest); "
        "a scan is called positive at the threshold or above.",
        f"Intervals are 95 % BCa bootstrap intervals over {draws:,} draws. Each draw takes seeds and then "
        "patients with all their scans, so that intervals cover the draw of labels and the draw of patients; "
        "their level allows for the small number of seeds (Satterthwaite, Student's t).",
        f"Differences to {result.primary.baseline} are paired by seed and patient on the same draws; "
        "p-values are Holm's over the budgets of the comparison.",
        *facts.done,
    ]


def _not_done(result: Evaluation, facts: Facts, predictions: pd.DataFrame) -> list[str]:
    sites = predictions.loc[predictions["split"] == "test", "site"].dropna().nunique()
    missing = (
        []
        if result.stated
        else ["No primary comparison was stated before the run: all findings are exploratory."]
    )
    if sites < 2:
        missing.append("No external test: the test scans are not known to come from more than one site.")
    if not any(is_control(arm) for arm in result.arms["arm"]):
        missing.append(
            "No control arm was run (shuffled labels, metadata only, background only, random encoder)."
        )
    missing.append("No reader took part; the labels are taken as the truth.")
    return [*missing, *facts.not_done]
