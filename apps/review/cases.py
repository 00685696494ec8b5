"""Cases: a worklist beside the picture, the truth and what every arm said of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from apps.review.choices import chosen, pick, pick_cell, threshold_of
from apps.review.page import show, table
from medcl.review import pictures, worklist
from medcl.review.html import colors, safe
from medcl.review.study import Study
from medcl.review.worklist import ORDERS, OUTCOMES
from medcl.store import Store
from medcl.views.sampling.scan_geometry import SIDES_UNKNOWN
from medcl.views.show.display import cut_slice, slice_plane, to_gray, window_presets

PAGE_ROWS = 100
OWN = "Own"


def show_cases(study: Study, store: Store | None, why_no_store: str) -> None:
    """Draw the page; without a store it says why there is no picture."""
    cell = pick_cell(study, places := st.columns([1.5, 1.2, 0.8, 1.4, 1, 1.6]))
    value = threshold_of(study, cell)
    cases = _filtered(worklist.table(study, cell, value), study, places[3:])
    arm, budget, seed = cell
    show(
        f'<p class="quiet">{len(cases):,} of {len(study.board.scan):,} test cases; {safe(arm)}, seed {seed}, '
        f"threshold {value:.3f}.</p>"
    )
    if cases.empty:
        show("<p>No case fits this choice. Choose another outcome or truth.</p>")
        return
    left, right = st.columns([1.1, 1.2], gap="medium")
    with left:
        case = _worklist(cases)
        _said(study, case, budget, seed)
    with right:
        _picture(store, why_no_store, case)


def _filtered(cases: pd.DataFrame, study: Study, places: list) -> pd.DataFrame:
    with places[0]:
        outcome = pick("Outcome", ["", *OUTCOMES], "outcome", lambda name: OUTCOMES.get(name, "all"))
    with places[1]:
        truth = pick(
            "Truth", ["", study.record.negative, study.record.positive], "truth", lambda t: t or "all"
        )
    with places[2]:
        order = pick("Order", list(ORDERS), "order")
    return worklist.select(cases, outcome, truth, order)


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
                "Spread", width="small", help="Largest less smallest probability over the arms", format="%.3f"
            ),
        },
    )
    rows = event.selection.rows
    return shown.iloc[rows[0] if rows and rows[0] < len(shown) else 0]


def _said(study: Study, case: pd.Series, budget: str, seed: int) -> None:
    show(
        f"<h2>{safe(case['case'])}</h2><p>Truth: <b>{safe(case['truth'])}</b>. "
        f"{OUTCOMES[case['outcome']].capitalize()}.</p>"
        f'<p class="quiet">Patient {safe(case["patient"])}</p>'
    )
    at = int(np.flatnonzero(study.board.scan == case["case"])[0])
    found = colors(study.arm_names, study.primary.baseline, study.controls)
    rows = []
    for arm in study.arm_names:
        if seed in study.seeds(arm, budget):
            value = float(study.probability(arm, budget, seed)[at])
            limit = threshold_of(study, (arm, budget, seed))
            called = study.record.positive if value >= limit else study.record.negative
            rows.append([safe(arm), _bar(value, limit, found[arm]), f"{value:.3f}", safe(called)])
    table(["Arm", "Probability", "", "Reads as"], rows)
    show('<p class="quiet">The dark line in a bar is the arm\'s threshold, at the same labels and seed.</p>')


def _bar(value: float, limit: float, color: str) -> str:
    return (
        f'<div class="bar"><i style="width:{100 * value:.1f}%;background:{color}"></i>'
        f'<b style="left:{100 * min(limit, 1):.1f}%"></b></div>'
    )


def _picture(store: Store | None, why_no_store: str, case: pd.Series) -> None:
    if store is None:
        show(f"<p>{safe(why_no_store)}</p>")
        return
    found = np.flatnonzero(store.scans["scan"].to_numpy() == case["case"])
    if not len(found):
        show("<p>No picture: this case is not in the store that the app was started with.</p>")
        return
    row = int(found[0])
    flags = set(str(store.scans["flags"].iloc[row] or "").split(";"))
    if "BURNED_IN_RISK" in flags:
        show(
            "<p>No picture: text about the patient may be burned into the pixels (BURNED_IN_RISK), "
            "so this scan is not shown here.</p>"
        )
        return
    _viewer(store, row, flags)


@st.fragment
def _viewer(store: Store, row: int, flags: set[str]) -> None:
    about = store.scans.iloc[row]
    array, affine, mask = store.array(row), store.affine(row), store.mask(row)
    low, high = _window(about, array)
    if affine is None:
        spacing = about["spacing_mm"]
        pixel_mm = None if spacing is None else (float(spacing[0]), float(spacing[1]))
        letters, caption = None, f"{about['modality']}, orientation as stored"
    else:
        plane = slice_plane(affine)
        count = array.shape[plane.axis]
        index = int(st.slider("Slice", 1, count, count // 2 + 1, key=f"slice {row}")) - 1
        array = cut_slice(array, plane.axis, index)
        mask = None if mask is None else cut_slice(mask, plane.axis, index)
        pixel_mm = plane.pixel_mm
        letters = None if flags & SIDES_UNKNOWN else plane.letters
        caption = f"{about['modality']}, slice {index + 1} of {count}"
        caption += ", left and right not known" if letters is None else ""
    drawn = mask > 0 if mask is not None and st.toggle("Outline the mask", key=f"mask {row}") else None
    gray = to_gray(array, low, high)
    zoom = pictures.zooms(gray.shape, pixel_mm)
    show(pictures.figure(gray, zoom, letters, pixel_mm, caption, drawn))


def _window(about: pd.Series, array: np.ndarray) -> tuple[float, float]:
    """Let the reader choose the gray window; a CT in HU has presets, other scans their own range."""
    if array.ndim == 3 and array.dtype == np.uint8 and array.shape[-1] == 3:
        return 0.0, 255.0
    if about["unit"] != "HU":
        low, high = float(about["lo"]), float(about["hi"])
        if not high > low:
            return low, low + 1
        return st.slider("Gray window", low, high, (low, high), key=f"range {about['scan']}")
    left, middle, right = st.columns([1.4, 1, 1])
    with left:
        presets = {name.capitalize(): window for name, window in window_presets().items()}
        name = pick("Window", [*presets, OWN], "window")
    center, width = presets.get(name, chosen().get("own window", (40.0, 400.0)))
    with middle:
        center = float(st.number_input("Level (HU)", -1100.0, 3100.0, center, 10.0, disabled=name != OWN))
    with right:
        width = float(st.number_input("Width (HU)", 1.0, 4200.0, width, 10.0, disabled=name != OWN))
    if name == OWN:
        chosen()["own window"] = (center, width)
    return center - width / 2, center + width / 2
