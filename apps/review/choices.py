"""What the reader has chosen: kept while pages change, never wider than what the study holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import streamlit as st

from medcl.review.study import Study

Value = TypeVar("Value")


def chosen() -> dict[str, Any]:
    """Return the session's choices by name; unlike the state of widgets they outlive a change of page."""
    return st.session_state.setdefault("chosen", {})


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
        before = chosen().get(name, default)
        st.session_state[key] = before if before in options else options[0]
    value = st.selectbox(label, options, key=key, format_func=format_func)
    chosen()[name] = value
    return value


def pick_cell(study: Study, places: Sequence[Any]) -> tuple[str, str, int]:
    """Let the reader pick arm, label budget and seed in three places of the page."""
    with places[0]:
        arm = pick("Arm", study.arm_names, "arm", default=study.primary.arm)
    with places[1]:
        budgets = [budget for budget in study.budgets if study.seeds(arm, budget)]
        budget = pick("Labels for training", budgets, "budget", in_words, default=first_budget(study))
    with places[2]:
        seed = pick("Seed", study.seeds(arm, budget), "seed")
    return arm, budget, seed


def first_budget(study: Study) -> str:
    """Return the smallest budget that the primary comparison speaks of."""
    named = [budget for budget in study.budgets if budget in study.primary.budgets]
    return (named or study.budgets)[0]


def pick_threshold(study: Study, cell: tuple[str, str, int]) -> float:
    """Let the reader move the threshold; a new cell begins at its own validation threshold."""
    own = float(np.clip(study.threshold(*cell), 0, 1))
    key = "threshold " + " ".join(map(str, cell))
    if key not in st.session_state:
        st.session_state[key] = threshold_of(study, cell)
    value = float(st.slider("Threshold", 0.0, 1.0, step=0.001, format="%.3f", key=key))
    chosen()["threshold"] = (cell, value)
    st.button(
        f"Back to the validation threshold ({own:.3f})",
        on_click=lambda: st.session_state.update({key: own}),
        disabled=abs(value - own) < 1e-9,
        type="tertiary",
    )
    return value


def threshold_of(study: Study, cell: tuple[str, str, int]) -> float:
    """Return the threshold that the reader set for this cell, else the one chosen on validation."""
    kept, value = chosen().get("threshold", (None, 0.0))
    return value if kept == cell else float(np.clip(study.threshold(*cell), 0, 1))


def in_words(budget: str) -> str:
    """Return a budget as a reader says it; other text stays as it is."""
    if budget == "all":
        return "all labels"
    return f"{budget.removesuffix('/class')} a class" if budget.endswith("/class") else budget
