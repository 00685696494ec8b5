"""Results: the answer, the table against the baseline, label efficiency, and the threshold made live."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import streamlit as st

from apps.review import charts
from apps.review.choices import chosen, first_budget, in_words, pick, pick_cell, pick_threshold
from apps.review.page import show, table
from medcl.evaluate.formatting import p_value
from medcl.review import worklist
from medcl.review.html import colors, safe
from medcl.review.study import Study
from medcl.statistics.metrics import NAMES

COLUMNS = ("auroc", "f1", "precision", "recall")
CHART = {"displayModeBar": False}


def show_results(study: Study, open_cases: Callable[[], None]) -> None:
    """Draw the page; `open_cases` goes to the cases of the chosen confusion cell."""
    record = study.record
    show(f'<h1>{safe(record.title)}</h1><p class="quiet">{safe(record.question)}</p>')
    show(f'<p class="answer">{safe(study.answer)}</p>')
    for line in study.warnings:
        show(f'<p class="warn">{safe(line)}</p>')
    _against_baseline(study)
    left, right = st.columns([1.15, 1], gap="large")
    with left:
        _efficiency(study)
    with right:
        _threshold(study, open_cases)
    _small_print(study)


def _against_baseline(study: Study) -> None:
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    with right:
        budget = pick("Labels for training", study.budgets, "table budget", in_words, first_budget(study))
    patients = study.board.patients
    with left:
        show(f"<h2>Test performance against the {safe(study.primary.baseline)} baseline</h2>")
        show(
            f'<p class="quiet">{len(study.board.scan):,} test scans of {patients:,} patients; '
            "mean over seeds, 95 % interval; p is Holm's over the budgets; "
            "thresholds chosen on validation scans.</p>"
        )
    values = study.arms[study.arms["budget"] == budget]
    gaps = study.differences[study.differences["budget"] == budget]
    found = colors(study.arm_names, study.primary.baseline, study.controls)
    rows = [
        [_arm(study, arm, found[arm]), _value(values, arm, "auroc"), _gap(gaps, arm, study)]
        + [_value(values, arm, metric) for metric in COLUMNS[1:]]
        for arm in dict.fromkeys(values["arm"])
    ]
    names = [NAMES[metric].capitalize() if metric != "auroc" else "AUROC" for metric in COLUMNS]
    table(["Arm", names[0], "Difference in AUROC", *names[1:]], rows)


def _arm(study: Study, arm: str, color: str) -> str:
    what = study.description(arm)
    dot = f'<span style="color:{color}">&#9679;</span> {safe(arm)}'
    return dot + (f'<br><span class="quiet">{safe(what)}</span>' if what else "")


def _value(values: pd.DataFrame, arm: str, metric: str) -> str:
    row = values[(values["arm"] == arm) & (values["metric"] == metric)]
    if row.empty:
        return "not computed"
    value, low, high = (float(row.iloc[0][name]) for name in ("value", "low", "high"))
    return f'{value:.3f}<br><span class="interval">{low:.3f} to {high:.3f}</span>'


def _gap(gaps: pd.DataFrame, arm: str, study: Study) -> str:
    if arm == study.primary.baseline:
        return '<span class="quiet">baseline</span>'
    row = gaps[(gaps["arm"] == arm) & (gaps["metric"] == "auroc")]
    if row.empty:
        return "not computed"
    value, low, high = (float(row.iloc[0][name]) for name in ("value", "low", "high"))
    p = row.iloc[0]["p_adjusted"]
    corrected = f"<br>{p_value(p)}" if p == p else ""
    return f'{value:+.3f}<br><span class="interval">{low:+.3f} to {high:+.3f}{corrected}</span>'


@st.fragment
def _efficiency(study: Study) -> None:
    left, right = st.columns([2, 1], vertical_alignment="bottom")
    with left:
        show("<h2>How many labels it takes</h2>")
    with right:
        metric = pick("Metric", list(NAMES), "metric", lambda name: NAMES[name], study.primary.metric)
    found = colors(study.arm_names, study.primary.baseline, study.controls)
    chart = charts.label_efficiency(
        study.arms, study.cells, metric, NAMES[metric], found, study.primary.baseline, study.controls
    )
    st.plotly_chart(chart, config=CHART, key="efficiency")
    show('<p class="quiet">Lines are means over seeds, bands 95 % intervals, small marks single seeds.</p>')


@st.fragment
def _threshold(study: Study, open_cases: Callable[[], None]) -> None:
    show("<h2>What a threshold means</h2>")
    cell = pick_cell(study, st.columns([1.5, 1.2, 0.8]))
    value = pick_threshold(study, cell)
    truth, probability = study.board.truth, study.probability(*cell)
    count = worklist.counts(truth, probability >= value)
    record = study.record
    st.plotly_chart(
        charts.histogram(probability, truth, value, (record.negative, record.positive)),
        config=CHART,
        key="histogram",
    )
    rate = worklist.rates(count)
    shown = ", ".join(f"{NAMES[name]} {number:.3f}" for name, number in rate.items() if number == number)
    show(f'<p aria-live="polite">{shown[:1].upper()}{shown[1:]}</p>')
    places = st.columns(2)
    for i, (outcome, words) in enumerate(worklist.OUTCOMES.items()):
        with places[i % 2]:
            label = f"{count[outcome]:,} {words}"
            if st.button(label, key=f"open {outcome}", width="stretch", disabled=not count[outcome]):
                chosen()["outcome"] = outcome
                open_cases()


def _small_print(study: Study) -> None:
    lines = [*study.caveats, *study.record.notes]
    if lines:
        with st.expander(f"What must be known beside these figures ({len(lines)})"):
            show("".join(f"<p>{safe(line)}</p>" for line in lines))
