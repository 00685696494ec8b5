"""The reader's choices: kept while pages change, and always among what the study contains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import streamlit as st

from medcl.evaluate.arms import budget_label
from medcl.review.study import CellKey, Study

Value = TypeVar("Value")


def choices() -> dict[str, Any]:
    """Return the choices of this session by name, which unlike widgets outlive a change of page."""
    stored: dict[str, Any] = st.session_state.setdefault("choices", {})
    return stored


def pick(
    label: str,
    options: Sequence[Value],
    name: str,
    format_func: Callable[[Any], str] = str,
    default: Value | None = None,
) -> Value:
    """Let the reader pick one of `options` and remember it as `name`."""
    key = f"pick {name}"
    if st.session_state.get(key) not in options:
        before = choices().get(name, default)
        st.session_state[key] = before if before in options else options[0]
    value = st.selectbox(label, options, key=key, format_func=format_func)
    choices()[name] = value
    return value


def pick_budget(study: Study, budgets: Sequence[str], name: str) -> str:
    """Let the reader pick a label budget, at first the smallest of the primary comparison."""
    return pick("Labels for training", budgets, name, budget_label, study.first_budget)


def pick_cell(study: Study, places: Sequence[Any]) -> CellKey:
    """Let the reader pick arm, label budget and seed in three places of the page."""
    with places[0]:
        arm = pick("Arm", study.arm_names, "arm", default=study.primary.arm)
    with places[1]:
        budget = pick_budget(study, [b for b in study.budgets if study.seeds(arm, b)], "budget")
    with places[2]:
        seed = pick("Seed", study.seeds(arm, budget), "seed")
    return arm, budget, seed


def pick_threshold(study: Study, cell: CellKey) -> float:
    """Let the reader move the threshold; a new cell starts at its own validation threshold."""
    validation = study.threshold(*cell)
    key = "threshold " + " ".join(map(str, cell))
    if key not in st.session_state:
        st.session_state[key] = threshold_of(study, cell)
    value = float(st.slider("Threshold", 0.0, 1.0, step=0.001, format="%.3f", key=key))
    choices()["threshold"] = (cell, value)
    st.button(
        f"Reset to the validation threshold ({validation:.3f})",
        on_click=lambda: st.session_state.update({key: validation}),
        disabled=abs(value - validation) < 1e-9,
        type="tertiary",
    )
    return value


def threshold_of(study: Study, cell: CellKey) -> float:
    """Return the threshold that the reader set for this cell, else the one chosen on validation scans."""
    set_for, value = choices().get("threshold", (None, 0.0))
    return float(value) if set_for == cell else study.threshold(*cell)
