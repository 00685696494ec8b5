"""The page of the report: sentences and tables as text, rendered by the template."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

import medcl
from medcl.evaluate.arms import budget_label
from medcl.evaluate.evaluation import Evaluation
from medcl.evaluate.formatting import number
from medcl.evaluate.report.results_table import columns, results_table
from medcl.evaluate.report.sections import Row, analysis_sections
from medcl.evaluate.report.style import embedded
from medcl.evaluate.report.templating import page_template
from medcl.evaluate.study_record import StudyRecord
from medcl.names import SPLITS
from medcl.statistics import CORRECTION, METRICS, shown_in


def render(
    result: Evaluation,
    record: StudyRecord,
    predictions: pd.DataFrame,
    costs: pd.DataFrame | None,
    figures: Mapping[str, str],
    checklists: Mapping[str, pd.DataFrame],
) -> str:
    """Return the page: every value escaped, figures embedded as images, nothing loaded from elsewhere.

    Args:
        result: The evaluation.
        record: Record of the study.
        predictions: The predictions table.
        costs: Table as `write_report` describes it; None when not recorded.
        figures: SVG of each figure by name.
        checklists: Filled checklists by name.
    """
    return page_template("report.html.j2").render(
        record=record,
        result=result,
        warnings=[*result.warnings, *record.warnings],
        figures={name: embedded(svg) for name, svg in figures.items()},
        prevalence=float(result.resampled.panel.truth.mean()),
        metric=METRICS[result.primary.metric].label,
        at_threshold=_enumerate([metric.label for metric in shown_in("results") if metric.ratio]),
        correction=CORRECTION,
        higher_is_better=METRICS[result.primary.metric].higher_is_better,
        headings=[column.heading for column in columns(result)],
        results=results_table(result),
        arms=[(arm, result.description(arm)) for arm in result.arm_names],
        splits=_splits(predictions, record),
        costs=_costs(costs),
        experiment_cells=_experiment_cells(result),
        sections=analysis_sections(result),
        protocol=_protocol(result, record),
        done=_done(result, record),
        not_done=_not_done(result, record, predictions),
        checklists={name: table.to_dict("records") for name, table in checklists.items()},
        version=medcl.__version__,
    )


def _enumerate(labels: list[str]) -> str:
    """Return "Precision, recall and F1"."""
    text = ", ".join(labels[:-1]) + " and " + labels[-1] if len(labels) > 1 else "".join(labels)
    return text[:1].upper() + text[1:]


def _splits(predictions: pd.DataFrame, record: StudyRecord) -> list[tuple[str, ...]]:
    """Return split, scans, patients and positives, as recorded, else as the test predictions show."""
    sizes = {name: (count.scans, count.patients, count.positive) for name, count in record.counts.items()}
    if "test" not in sizes:
        test = predictions[predictions["split"] == "test"].drop_duplicates("scan")
        sizes["test"] = (len(test), test["patient"].nunique(), int(test["truth"].sum()))
    rows = []
    for name in SPLITS:
        values = sizes.get(name, (None, None, None))
        rows.append((name, *("not recorded" if value is None else f"{value:,}" for value in values)))
    return rows


def _costs(costs: pd.DataFrame | None) -> list[Row]:
    if costs is None or costs.empty:
        return []
    return [
        {
            "Arm": str(arm),
            "Experiment cells": f"{len(cells)}",
            "Candidates per cell (max.)": _recorded(cells, "candidates", "max", ",.0f"),
            "Seconds per cell (mean)": _recorded(cells, "seconds", "mean", ".1f"),
            "Minutes in total": f"{cells['seconds'].sum() / 60:.1f}",
            "Peak memory (MiB)": _recorded(cells, "peak_mib", "max", ",.0f"),
            "Energy in total (Wh, estimate)": _recorded(cells, "energy_wh", "sum", ".2f"),
            "Parameters": _recorded(cells, "parameters", "max", ",.0f"),
        }
        for arm, cells in costs.groupby("arm", sort=False)
    ]


def _recorded(cells: pd.DataFrame, name: str, statistic: str, form: str) -> str:
    """Return a statistic over the cells of an arm, unless one of them lacks the value."""
    if name not in cells or cells[name].isna().any():
        return "not recorded"
    return format(cells[name].agg(statistic), form)


def _experiment_cells(result: Evaluation) -> list[Row]:
    order = {budget: i for i, budget in enumerate(result.budgets)}
    cells = result.experiment_cells
    table = cells.assign(order=cells["budget"].map(order)).sort_values(["order", "arm", "seed"])
    return [
        {"Arm": row["arm"], "Budget": row["budget"], "Seed": str(row["seed"])}
        | {"Threshold": number(row["threshold"])}
        | {name.upper(): str(row[name]) for name in ("tp", "fp", "fn", "tn")}
        | {metric.heading: number(row[metric.name]) for metric in shown_in("experiment cells")}
        for _, row in table.iterrows()
    ]


def _protocol(result: Evaluation, record: StudyRecord) -> list[str]:
    """Return what was stated before the run and whether it was kept."""
    primary = result.primary
    if not result.stated:
        return ["No primary comparison was stated before the run; everything here is exploratory."]
    budgets = ", ".join(budget_label(budget) for budget in primary.budgets or result.budgets)
    lines = [
        f"Stated before the run: {primary.arm} against {primary.baseline}, {METRICS[primary.metric].label}, "
        f"with {budgets}, margin {primary.margin:g}. Everything else on this page is exploratory."
    ]
    departures = [*(record.departures or []), *_missing_seeds(result)]
    if departures:
        lines += [f"Departure: {departure}" for departure in departures]
    elif record.departures is None:
        lines.append("Whether the rest of the protocol was kept is not recorded.")
    else:
        lines.append("The protocol was kept.")
    return lines


def _missing_seeds(result: Evaluation) -> list[str]:
    rows = result.resampled.panel.rows
    pair = (result.primary.arm, result.primary.baseline)
    return [
        f"{arm} with {budget_label(budget)} has {len(rows(arm, budget))} seeds, the other arm {most}."
        for budget in result.primary.budgets or result.budgets
        for most in [max(len(rows(arm, budget)) for arm in pair)]
        for arm in pair
        if len(rows(arm, budget)) < most
    ]


def _done(result: Evaluation, record: StudyRecord) -> list[str]:
    panel, resampler = result.resampled.panel, result.resampled.resampler
    draws = resampler.counts.shape[1]
    return [
        f"Every arm, budget and seed was tested on the same {len(panel.truth):,} scans of {panel.patients:,} "
        f"patients ({int(panel.truth.sum()):,} {record.positive}); no threshold was chosen on them.",
        "The threshold of each cell maximizes F1 on its own validation scans (the highest, if several do); "
        "a scan is called positive if its probability is at least the threshold.",
        f"Intervals are 95 % BCa bootstrap intervals over {draws:,} draws. Each draw takes patients with all "
        "their scans and then seeds, so that intervals cover the draw of patients and the draw of labels; "
        "their level allows for the small number of seeds (Satterthwaite, Student's t).",
        f"Differences from {result.primary.baseline} are paired by seed and patient on the same draws; "
        f"p-values are adjusted over the budgets of the comparison ({CORRECTION}).",
        *record.done,
    ]


def _not_done(result: Evaluation, record: StudyRecord, predictions: pd.DataFrame) -> list[str]:
    missing = []
    if not result.controls:
        missing.append(
            "No control arm was run (shuffled labels, metadata only, background only, random encoder)."
        )
    if result.analyses["robustness"].empty:
        missing.append("Robustness to corrupted images was not measured.")
    if result.analyses["subgroups"].empty:
        missing.append(
            "No subgroups were compared: neither site nor other variables of the patients are known."
        )
    if not record.not_done:
        missing.append("No reader study was made; the labels are taken as the truth.")
        if predictions.loc[predictions["split"] == "test", "site"].nunique() < 2:
            missing.append("No external test: the test scans are not known to come from more than one site.")
    return [*missing, *record.not_done]
