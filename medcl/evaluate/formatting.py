"""Numbers as text for readers."""

from __future__ import annotations

import math


def number(value: float, places: int = 3) -> str:
    """Return a number as text: a true minus sign, "-0.000" as "0.000", infinity as ∞, NaN as a dash."""
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    text = f"{value:.{places}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "−")


def signed(value: float, places: int = 3) -> str:
    """Return a difference as text, with its sign unless it rounds to zero."""
    text = number(value, places)
    return f"+{text}" if value > 0 and float(f"{value:.{places}f}") != 0 else text


def interval(low: float, high: float, places: int = 3) -> str:
    """Return "low to high"."""
    return f"{number(low, places)} to {number(high, places)}"


def p_value(p: float) -> str:
    """Return "p = 0.012", or "p < 0.001"."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
