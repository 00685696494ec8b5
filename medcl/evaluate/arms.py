"""Meaning of the names of arms and budgets: corrupted test images, number of labels."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import pandas as pd


def corruption(arm: str) -> tuple[str, str, int] | None:
    """Split "simclr-probe@noise-3" into ("simclr-probe", "noise", 3); None for an arm on clean images."""
    match = re.fullmatch(r"(.+)@(.+)-(\d+)", arm)
    return (match[1], match[2], int(match[3])) if match else None


def on_clean_images(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a predictions table whose arm was tested on clean images."""
    return table[~table["arm"].isin([arm for arm in table["arm"].unique() if corruption(arm)])]


def label_count(budget: str, counts: Mapping[str, int]) -> float | None:
    """Return the number of labeled training scans (both classes) of a budget, or None when unknown.

    Args:
        budget: Such as "5/class" (10 scans), "1%" (of "all") or "all".
        counts: Number of labeled training scans by budget, where the study recorded it; used first.
    """
    if budget in counts:
        return float(counts[budget])
    if match := re.fullmatch(r"(\d+)/class", budget):
        return 2.0 * int(match[1])
    if (match := re.fullmatch(r"(\d+(?:\.\d+)?)%", budget)) and "all" in counts:
        return counts["all"] * float(match[1]) / 100
    return None


def order_budgets(budgets: Iterable[str], counts: Mapping[str, int]) -> list[str]:
    """Return the distinct budgets from fewest labels to most; unknown ones by name, "all" last."""

    def key(budget: str) -> tuple[float, float, str]:
        labels = label_count(budget, counts)
        if labels is not None:
            return (1.0 if budget == "all" else 0.0), labels, budget
        share = re.fullmatch(r"(\d+(?:\.\d+)?)%", budget)
        return (1.0 if budget == "all" else 0.5), float(share[1]) if share else 0.0, budget

    return sorted(set(budgets), key=key)


def budget_label(budget: str) -> str:
    """Return "5 labels per class" for "5/class", "1 % of the labels" for "1%", "all labels" for "all"."""
    if match := re.fullmatch(r"(\d+)/class", budget):
        return f"{match[1]} label{'' if match[1] == '1' else 's'} per class"
    if match := re.fullmatch(r"(\d+(?:\.\d+)?)%", budget):
        return f"{match[1]} % of the labels"
    return "all labels" if budget == "all" else budget
