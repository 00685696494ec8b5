"""The page of a study of tissue: its tables, its figure, and every patient's picture."""

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
from medcl.evaluate.report.page import embedded
from medcl.evaluate.report.style import BASELINE, COLORS, MARKERS, STYLE, WIDTH, save
from medcl.evaluate.report.templating import page_template
from medcl.evaluate.tissue.evaluate import METRICS, TissueEvaluation
from medcl.evaluate.tissue.lesions import ALLOWED
from medcl.files import write_text

SMALL_STUDY = 20
"""Patients below which the page says what their number can and cannot show."""


def write_tissue_report(study: Path, result: TissueEvaluation, pictures: Mapping[str, Path | None]) -> None:
    """Write tables/, figures/ and report.html into `study`; `pictures` is a PNG a patient, or None."""
    for name in ("patients", "froc", "summary", "differences"):
        write_csv(getattr(result, name), study / "tables" / f"{name}.csv")
    with mpl.rc_context(STYLE):
        drawn = save(_figure(result), study / "figures", "tissue")
    page = page_template("tissue.html.j2").render(
        record=result.record,
        answer=answer(result),
        caveats=_caveats(result),
        allowed=", ".join(f"{allowed:g}" for allowed in ALLOWED),
        prevalence=result.patients["prevalence"].mean(),
        metrics=list(METRICS.values()),
        primary_name=METRICS[result.record.primary.metric],
        table=_table(result),
        pairs=_pairs(result),
        rows=_rows(result.patients),
        figure=embedded(drawn),
        pictures=[(patient, _encoded(path)) for patient, path in pictures.items()],
        pretraining=", ".join(f"{seconds:.0f}" for seconds in result.record.pretrain_seconds),
        version=medcl.__version__,
    )
    write_text(page, study / "report.html")


def answer(result: TissueEvaluation) -> str:
    """Return what the stated comparison came to, in two sentences."""
    primary = result.record.primary
    arm, baseline, budget = primary.arm, primary.baseline, primary.budget
    name = METRICS[primary.metric]
    mine, theirs = (_summary(result, who, budget, primary.metric) for who in (arm, baseline))
    masks = "1 patient has a mask" if budget == 1 else f"{budget} patients have masks"
    told = (
        f"When {masks}, the map of an unseen patient reaches {name} {number(mine['mean'])} with {arm} and "
        f"{number(theirs['mean'])} with {baseline}."
    )
    if arm == baseline:
        return told
    gain = _difference(result, arm, budget, primary.metric)
    clear = "better" if gain["low"] > 0 else "worse" if gain["high"] < 0 else "not told apart"
    verdict = f"{arm} is {clear}" if clear != "not told apart" else "The two are not told apart"
    return (
        f"{told} {verdict}: {signed(gain['mean'])} ({interval(gain['low'], gain['high'])}; higher in "
        f"{gain['better']} of {gain['patients']} patients, {p_value(gain['p'])})."
    )


def _summary(result: TissueEvaluation, arm: str, budget: int, metric: str) -> pd.Series:
    return _cell(result.summary, arm, budget, metric)


def _difference(
    result: TissueEvaluation, arm: str, budget: int, metric: str, baseline: str | None = None
) -> pd.Series:
    against = result.differences["baseline"] == (baseline or result.record.primary.baseline)
    return _cell(result.differences[against], arm, budget, metric)


def _cell(table: pd.DataFrame, arm: str, budget: int, metric: str) -> pd.Series:
    chosen = (table["arm"] == arm) & (table["budget"] == budget) & (table["metric"] == metric)
    return table[chosen].iloc[0]


def _caveats(result: TissueEvaluation) -> list[str]:
    count, lesions = result.record.patients, result.patients.groupby("patient")["lesions"].first().sum()
    caveats = []
    if count < SMALL_STUDY:
        least = 2 / 2**count
        caveats.append(
            f"{count} patients: intervals are wide, and no p below {least:.2g} exists. This shows what "
            "happened with these patients, not what would happen with others."
        )
    caveats.append(
        f"{lesions} lesions in all (components of the mask of at least {result.record.least_mm:g} mm "
        "diameter): FROC moves in steps."
    )
    if boxes := result.record.boxes:
        caveats.append(
            f"The masks of {boxes} of {result.record.scans} scans are boxes of the label table: a box's "
            "corners count as abnormal tissue, in learning and in every figure here."
        )
    primary = result.record.primary
    caveats.append(
        f"Stated before the run: {primary.arm} against {primary.baseline}, "
        f"{METRICS[primary.metric]}, {primary.budget} patient(s) with a mask. Everything else is "
        "exploratory."
    )
    return caveats


def _table(result: TissueEvaluation) -> list[dict[str, Any]]:
    metric, baseline = result.record.primary.metric, result.record.primary.baseline
    groups = []
    for budget in dict.fromkeys(result.summary["budget"]):
        rows = []
        for arm in dict.fromkeys(result.summary["arm"]):
            cells = [_summary(result, arm, budget, name) for name in METRICS]
            rows.append(
                {
                    "arm": arm,
                    "metrics": [
                        (number(c["mean"]), interval(c["low"], c["high"]), interval(c["least"], c["most"]))
                        for c in cells
                    ],
                    "difference": None
                    if arm == baseline
                    else _worded(_difference(result, arm, budget, metric)),
                }
            )
        groups.append({"budget": budget, "rows": rows})
    return groups


def _pairs(result: TissueEvaluation) -> list[str]:
    """Return a line for each further pair of arms: what the one gains over the other at each budget."""
    metric, lines = result.record.primary.metric, []
    for arm, other in result.record.pairs:
        told = []
        for budget in dict.fromkeys(result.summary["budget"]):
            gain, spread, higher = _worded(_difference(result, arm, budget, metric, other))
            told.append(f"{budget} with a mask {gain} ({spread}; {higher})")
        lines.append(f"{arm} against {other}, {METRICS[metric]}: {'; '.join(told)}.")
    return lines


def _worded(gain: pd.Series) -> tuple[str, str, str]:
    higher = f"higher in {gain['better']} of {gain['patients']}, {p_value(gain['p'])}"
    return signed(gain["mean"]), interval(gain["low"], gain["high"]), higher


def _rows(patients: pd.DataFrame) -> list[list[str]]:
    shown = [*METRICS, "threshold", "best_dice"]
    return [
        [
            row["patient"],
            row["arm"],
            str(row["budget"]),
            *(number(row[n]) for n in shown),
            str(row["lesions"]),
        ]
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
        for number_, arm in enumerate(arms):
            _draw_patients(axes, result, arm, metric, budgets, 0.12 * (number_ - (len(arms) - 1) / 2))
        axes.set_xticks(range(len(budgets)), [str(budget) for budget in budgets])
        axes.set_xlabel("patients with a mask")
        axes.set_ylabel(METRICS[metric])
    primary = result.record.primary.budget
    for arm in arms:
        table = result.froc[(result.froc["arm"] == arm) & (result.froc["budget"] == primary)]
        color, marker, line = _look(result, arm)
        froc.plot(
            table["false_positives"], table["sensitivity"], line, marker=marker, color=color, markersize=3.5
        )
    froc.set_xscale("log", base=2)
    froc.set_xticks(ALLOWED, [f"{allowed:g}" for allowed in ALLOWED])
    froc.set_ylim(0, 1.03)
    froc.set_xlabel("false positives a scan")
    froc.set_ylabel("lesions found")
    figure.legend(*dice.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=7)
    return figure


def _draw_patients(
    axes: Axes, result: TissueEvaluation, arm: str, metric: str, budgets: list[int], shift: float
) -> None:
    color, marker, line = _look(result, arm)
    mine = result.patients[result.patients["arm"] == arm]
    each = [mine.loc[mine["budget"] == budget, metric].to_numpy() for budget in budgets]
    places = np.arange(len(budgets)) + shift
    axes.plot(
        places, [values.mean() for values in each], line, color=color, marker=marker, label=arm, markersize=4
    )
    for place, values in zip(places, each, strict=True):
        axes.plot(np.full(len(values), place), values, ".", color=color, markersize=3, alpha=0.6)


def _look(result: TissueEvaluation, arm: str) -> tuple[str, str, str]:
    if arm == result.record.primary.baseline:
        return BASELINE, "o", "--"
    others = [name for name in dict.fromkeys(result.summary["arm"]) if name != result.record.primary.baseline]
    at = others.index(arm) % len(COLORS)
    return COLORS[at], MARKERS[at], "-"
