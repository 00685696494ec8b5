"""Cases: a worklist beside the picture, the truth and the prediction of every arm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from apps.review.choices import choices, pick, pick_cell, threshold_of
from apps.review.page import show
from medcl.review.cases import ScanPicture, case_heading, find_scan, predictions_table
from medcl.review.html import safe
from medcl.review.study import Study
from medcl.review.worklist import ORDERS, OUTCOMES, select_cases, worklist
from medcl.store import Store
from medcl.views.show.display import window_presets

PAGE_ROWS = 100
CUSTOM = "Custom"


def show_cases(study: Study, store: Store | None, why_no_store: str) -> None:
    """Show the page; without a store it says why there is no picture."""
    cell = pick_cell(study, places := st.columns([1.5, 1.2, 0.8, 1.4, 1, 1.6]))
    threshold = threshold_of(study, cell)
    cases = _filter(worklist(study, cell, threshold), study, places[3:])
    arm, budget, seed = cell
    show(
        f'<p class="quiet">{len(cases):,} of {len(study.panel.scan):,} test cases; {safe(arm)}, seed {seed}, '
        f"threshold {threshold:.3f}.</p>"
    )
    if cases.empty:
        show("<p>No case matches this selection. Select another outcome or truth.</p>")
        return
    left, right = st.columns([1.1, 1.2], gap="medium")
    with left:
        case = _worklist(cases)
        show(case_heading(case))
        show(predictions_table(study, case["case"], budget, seed, lambda key: threshold_of(study, key)))
        show('<p class="quiet">The dark line in a bar is the threshold of the arm with this seed.</p>')
    with right:
        _picture(store, why_no_store, case)


def _filter(cases: pd.DataFrame, study: Study, places: Sequence[Any]) -> pd.DataFrame:
    classes = ["", study.record.negative, study.record.positive]
    with places[0]:
        outcome = pick("Outcome", ["", *OUTCOMES], "outcome", lambda name: OUTCOMES.get(name, "all"))
    with places[1]:
        truth = pick("Truth", classes, "truth", lambda name: name or "all")
    with places[2]:
        order = pick("Order", list(ORDERS), "order")
    return select_cases(cases, outcome, truth, order)


def _worklist(cases: pd.DataFrame) -> pd.Series:
    """Show one page of the list and return the selected case, at first the top one."""
    pages = (len(cases) - 1) // PAGE_ROWS + 1
    page = int(st.number_input(f"Page of {pages}", 1, pages, key=f"page of {pages}")) if pages > 1 else 1
    shown = cases.iloc[(page - 1) * PAGE_ROWS : page * PAGE_ROWS]
    event = st.dataframe(
        shown[["case", "truth", "outcome", "probability", "disagreement"]],
        hide_index=True,
        height=min(38 + 35 * len(shown), 300),
        on_select="rerun",
        selection_mode="single-row",
        key=f"worklist {page} {hash(tuple(shown['case'])) & 0xFFFFFFFF}",
        column_config={
            "case": st.column_config.TextColumn("Case"),
            "truth": st.column_config.TextColumn("Truth", width="small"),
            "outcome": st.column_config.TextColumn("Outcome", width="small"),
            "probability": st.column_config.NumberColumn("Probability", width="small", format="%.3f"),
            "disagreement": st.column_config.NumberColumn(
                "Range",
                width="small",
                help="Largest minus smallest probability over the arms, each the mean over its seeds",
                format="%.3f",
            ),
        },
    )
    rows = event.selection.rows
    return shown.iloc[rows[0] if rows and rows[0] < len(shown) else 0]


def _picture(store: Store | None, why_no_store: str, case: pd.Series) -> None:
    if store is None:
        show(f"<p>{safe(why_no_store)}</p>")
        return
    row = find_scan(store, case["case"])
    if isinstance(row, str):
        show(f"<p>{safe(row)}</p>")
        return
    _viewer(store, row)


@st.fragment
def _viewer(store: Store, row: int) -> None:
    picture = ScanPicture.read(store, row)
    window = _window(picture)
    index = 0
    if picture.plane is not None:
        count = picture.slices
        index = int(st.slider("Slice", 1, count, count // 2 + 1, key=f"slice {row}")) - 1
    outline = picture.mask is not None and st.toggle("Outline the mask", key=f"mask {row}")
    show(picture.html(index, window, outline))


def _window(picture: ScanPicture) -> tuple[float, float]:
    """Let the reader set the gray window; CT in HU has presets, other scans their own range."""
    scan = picture.scan
    if picture.in_color:
        return 0.0, 255.0
    if scan["unit"] != "HU":
        low, high = float(scan["lo"]), float(scan["hi"])
        if not high > low:
            return low, low + 1
        selected: tuple[float, float] = st.slider(
            "Gray window", low, high, (low, high), key=f"range {scan['scan']}"
        )
        return selected
    left, middle, right = st.columns([1.4, 1, 1])
    with left:
        presets = {name.capitalize(): window for name, window in window_presets().items()}
        name = pick("Window", [*presets, CUSTOM], "window")
    fixed = name != CUSTOM
    level, width = presets.get(name, choices().get("custom window", (40.0, 400.0)))
    with middle:
        level = float(st.number_input("Level (HU)", -1100.0, 3100.0, level, 10.0, disabled=fixed))
    with right:
        width = float(st.number_input("Width (HU)", 1.0, 4200.0, width, 10.0, disabled=fixed))
    if not fixed:
        choices()["custom window"] = (level, width)
    return level - width / 2, level + width / 2
