"""Results: the answer, the table against the baseline, label efficiency, and a threshold to move."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from apps.review.choices import choices, pick, pick_budget, pick_cell, pick_threshold
from apps.review.page import show
from medcl.review import charts
from medcl.review.html import safe
from medcl.review.results import confusion, outcome_counts, rates_sentence, results_table, table_note
from medcl.review.scan_figures import SCAN_FIGURES
from medcl.review.study import Study
from medcl.review.worklist import OUTCOMES
from medcl.statistics import METRICS

CHART = {"displayModeBar": False}


def show_results(study: Study, open_cases: Callable[[], None]) -> None:
    """Show the page; `open_cases` opens the cases with the selected outcome."""
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
    _scan_figures(study)
    _notes(study)


def _against_baseline(study: Study) -> None:
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    with right:
        budget = pick_budget(study, study.budgets, "table budget")
    with left:
        show(f"<h2>Test performance against the {safe(study.primary.baseline)} baseline</h2>")
        show(f'<p class="quiet">{safe(table_note(study))}</p>')
    show(results_table(study, budget))


@st.fragment
def _efficiency(study: Study) -> None:
    left, right = st.columns([2, 1], vertical_alignment="bottom")
    with left:
        show("<h2>Label efficiency</h2>")
    with right:
        metric = pick(
            "Metric", list(METRICS), "metric", lambda name: METRICS[name].heading, study.primary.metric
        )
    st.plotly_chart(charts.label_efficiency(study, metric), config=CHART, key="efficiency")
    show('<p class="quiet">Lines are means over seeds, bands 95 % intervals, small marks single seeds.</p>')


@st.fragment
def _threshold(study: Study, open_cases: Callable[[], None]) -> None:
    show("<h2>Effect of the threshold</h2>")
    cell = pick_cell(study, st.columns([1.5, 1.2, 0.8]))
    threshold = pick_threshold(study, cell)
    names = (study.record.negative, study.record.positive)
    histogram = charts.histogram(study.probability(*cell), study.panel.truth, threshold, names)
    st.plotly_chart(histogram, config=CHART, key="histogram")
    counts = confusion(study, cell, threshold)
    show(f'<p aria-live="polite">{safe(rates_sentence(counts))}</p>')
    places = st.columns(2)
    for i, (outcome, count) in enumerate(outcome_counts(counts).items()):
        with places[i % 2]:
            label = f"{count:,} {OUTCOMES[outcome]}"
            if st.button(label, key=f"open {outcome}", width="stretch", disabled=not count):
                choices()["outcome"] = outcome
                open_cases()


def _scan_figures(study: Study) -> None:
    for figure in SCAN_FIGURES:
        table = study.scan_table(figure.table)
        if table is not None:
            show(f"<h2>{safe(figure.title)}</h2>")
            st.plotly_chart(figure.draw(study, table), config=CHART, key=figure.table)
            show(f'<p class="quiet">{safe(figure.note)}</p>')


def _notes(study: Study) -> None:
    lines = [*study.caveats, *study.record.notes]
    if lines:
        with st.expander(f"Limitations and notes on the data ({len(lines)})"):
            show("".join(f"<p>{safe(line)}</p>" for line in lines))
