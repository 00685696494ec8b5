"""The report of a tissue study: tables, figure, every patient's picture, one self-contained page."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import medcl
from medcl.evaluate.formatting import interval, number, p_value, signed
from medcl.evaluate.report.export import write_csv
from medcl.evaluate.report.style import BASELINE_STYLE, STYLE, WIDTH, embedded, method_style, save
from medcl.evaluate.report.templating import page_template
from medcl.evaluate.tissue.evaluate import MAP_METRICS, TissueEvaluation
from medcl.evaluate.tissue.lesions import ALLOWED
from medcl.files import write_text

SMALL_STUDY = 20
"""Number of patients below which the page says what so few can and cannot show."""


def write_tissue_report(study: Path, result: TissueEvaluation, pictures: Mapping[str, Path | None]) -> None:
    """Write tables/, figures/ and report.html.

    Args:
        study: Folder of the study.
        result: The evaluation.
        pictures: PNG of each patient, None where the scan must not be shown.
    """
    for name in ("patients", "froc", "summary", "differences"):
        write_csv(getattr(result, name), study / "tables" / f"{name}.csv")
    with mpl.rc_context(STYLE):
        figure = save(_figure(result), study / "figures", "tissue")
    page = page_template("tissue.html.j2").render(
        record=result.record,
        answer=answer(result),
        caveats=_caveats(result),
        allowed=", ".join(f"{allowed:g}" for allowed in ALLOWED),
        prevalence=result.patients["prevalence"].mean(),
        metrics=list(MAP_METRICS.values()),
        primary_label=MAP_METRICS[result.record.primary.metric],
        results=_results(result),
        pairs=_pairs(result),
        patients=_patients(result.patients),
        figure=embedded(figure),
        pictures=[(patient, _encoded(path)) for patient, path in pictures.items()],
        pretraining=", ".join(f"{seconds:.0f}" for seconds in result.record.pretrain_seconds),
        version=medcl.__version__,
    )
    write_text(page, study / "report.html")


def answer(result: TissueEvaluation) -> str:
    """Return the result of the stated comparison in two sentences."""
    primary = result.record.primary
    arm, baseline, budget = primary.arm, primary.baseline, primary.budget
    label = MAP_METRICS[primary.metric]
    arm_mean, baseline_mean = (
        number(_summary(result, name, budget, primary.metric)["mean"]) for name in (arm, baseline)
    )
    masks = "1 patient has a mask" if budget == 1 else f"{budget} patients have masks"
    means = (
        f"When {masks}, the map of an unseen patient has {label} {arm_mean} with {arm} and {baseline_mean} "
        f"with {baseline}."
    )
    if arm == baseline:
        return means
    difference = _difference(result, arm, budget, primary.metric)
    verdict = "The difference is not significant"
    if difference["low"] > 0:
        verdict = f"{arm} is better"
    elif difference["high"] < 0:
        verdict = f"{arm} is worse"
    return (
        f"{means} {verdict}: {signed(difference['mean'])} "
        f"({interval(difference['low'], difference['high'])}; higher in {difference['better']} of "
        f"{difference['patients']} patients, {p_value(difference['p'])})."
    )


def _summary(result: TissueEvaluation, arm: str, budget: int, metric: str) -> pd.Series:
    return _row(result.summary, arm, budget, metric)


def _difference(
    result: TissueEvaluation, arm: str, budget: int, metric: str, baseline: str | None = None
) -> pd.Series:
    rows = result.differences["baseline"] == (baseline or result.record.primary.baseline)
    return _row(result.differences[rows], arm, budget, metric)


def _row(table: pd.DataFrame, arm: str, budget: int, metric: str) -> pd.Series:
    rows = (table["arm"] == arm) & (table["budget"] == budget) & (table["metric"] == metric)
    return table[rows].iloc[0]


def _caveats(result: TissueEvaluation) -> list[str]:
    record, primary = result.record, result.record.primary
    lesions = result.patients.groupby("patient")["lesions"].first().sum()
    caveats = list(record.warnings)
    if record.patients < SMALL_STUDY:
        caveats.append(
            f"{record.patients} patients: intervals are wide, and p cannot be below "
            f"{2 / 2**record.patients:.2g}. The results describe these patients and need not hold for others."
        )
    caveats.append(
        f"{lesions} lesions in total (components of the mask of at least {record.least_mm:g} mm diameter): "
        "FROC changes in steps."
    )
    if record.boxes:
        caveats.append(
            f"The masks of {record.boxes} of {record.scans} scans are boxes of the label table: the corners "
            "of a box count as abnormal tissue, in training and in every result."
        )
    caveats.append(
        f"Stated before the run: {primary.arm} against {primary.baseline}, {MAP_METRICS[primary.metric]}, "
        f"{primary.budget} patient{'' if primary.budget == 1 else 's'} with a mask. Everything else is "
        "exploratory."
    )
    return caveats


def _results(result: TissueEvaluation) -> list[dict[str, Any]]:
    """Return the rows of the main table, grouped by budget."""
    metric, baseline = result.record.primary.metric, result.record.primary.baseline
    groups = []
    for budget in dict.fromkeys(result.summary["budget"]):
        rows = []
        for arm in dict.fromkeys(result.summary["arm"]):
            summaries = [_summary(result, arm, budget, name) for name in MAP_METRICS]
            metrics = [
                (number(row["mean"]), interval(row["low"], row["high"]), interval(row["min"], row["max"]))
                for row in summaries
            ]
            difference = None if arm == baseline else _as_text(_difference(result, arm, budget, metric))
            rows.append({"arm": arm, "metrics": metrics, "difference": difference})
        groups.append({"budget": budget, "rows": rows})
    return groups


def _pairs(result: TissueEvaluation) -> list[str]:
    """Return a line for each further pair of arms: their difference at each budget."""
    metric, lines = result.record.primary.metric, []
    for arm, other in result.record.pairs:
        parts = []
        for budget in dict.fromkeys(result.summary["budget"]):
            value, ends, higher = _as_text(_difference(result, arm, budget, metric, other))
            parts.append(f"{budget} with a mask {value} ({ends}; {higher})")
        lines.append(f"{arm} against {other}, {MAP_METRICS[metric]}: {'; '.join(parts)}.")
    return lines


def _as_text(difference: pd.Series) -> tuple[str, str, str]:
    higher = f"higher in {difference['better']} of {difference['patients']}, {p_value(difference['p'])}"
    return signed(difference["mean"]), interval(difference["low"], difference["high"]), higher


def _patients(patients: pd.DataFrame) -> list[dict[str, str]]:
    """Return the rows of the table of patients: text by heading."""
    return [
        {"Patient": row["patient"], "Arm": row["arm"], "Masks": str(row["budget"])}
        | {label: number(row[name]) for name, label in MAP_METRICS.items()}
        | {"Threshold": number(row["threshold"]), "Best Dice": number(row["best_dice"])}
        | {"Lesions": str(row["lesions"])}
        for row in patients.sort_values(["patient", "budget"], kind="stable").to_dict("records")
    ]


def _encoded(path: Path | None) -> str | None:
    return None if path is None else base64.b64encode(path.read_bytes()).decode()


def _figure(result: TissueEvaluation) -> Figure:
    figure = Figure(figsize=(WIDTH, 2.7), layout="constrained")
    dice, auroc, froc = figure.subplots(1, 3)
    arms = list(dict.fromkeys(result.summary["arm"]))
    budgets = list(dict.fromkeys(result.summary["budget"]))
    for axes, metric in ((dice, "dice"), (auroc, "auroc")):
        for i, arm in enumerate(arms):
            _draw_patients(axes, result, arm, metric, budgets, 0.12 * (i - (len(arms) - 1) / 2))
        axes.set_xticks(range(len(budgets)), [str(budget) for budget in budgets])
        axes.set_xlabel("patients with a mask")
        axes.set_ylabel(MAP_METRICS[metric])
    for arm in arms:
        rows = (result.froc["arm"] == arm) & (result.froc["budget"] == result.record.primary.budget)
        table = result.froc[rows]
        color, marker, line = _arm_style(result, arm)
        style = {"color": color, "marker": marker, "markersize": 3.5}
        froc.plot(table["false_positives"], table["sensitivity"], line, **style)
    froc.set_xscale("log", base=2)
    froc.set_xticks(ALLOWED, [f"{allowed:g}" for allowed in ALLOWED])
    froc.set_ylim(0, 1.03)
    froc.set_xlabel("false positives per scan")
    froc.set_ylabel("share of lesions detected")
    figure.legend(*dice.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=7)
    return figure


def _draw_patients(
    axes: Axes, result: TissueEvaluation, arm: str, metric: str, budgets: list[int], shift: float
) -> None:
    color, marker, line = _arm_style(result, arm)
    rows = result.patients[result.patients["arm"] == arm]
    by_budget = [rows.loc[rows["budget"] == budget, metric].to_numpy() for budget in budgets]
    x = np.arange(len(budgets)) + shift
    means = [values.mean() for values in by_budget]
    axes.plot(x, means, line, color=color, marker=marker, label=arm, markersize=4)
    for place, values in zip(x, by_budget, strict=True):
        axes.plot(np.full(len(values), place), values, ".", color=color, markersize=3, alpha=0.6)


def _arm_style(result: TissueEvaluation, arm: str) -> tuple[str, str, str]:
    baseline = result.record.primary.baseline
    if arm == baseline:
        return BASELINE_STYLE
    methods = [name for name in dict.fromkeys(result.summary["arm"]) if name != baseline]
    return method_style(methods.index(arm))
