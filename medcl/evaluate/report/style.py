"""Style of all figures: size, color, marker and line of each arm, panels, saving, embedding."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from medcl.evaluate.arms import budget_label
from medcl.evaluate.evaluation import Evaluation
from medcl.files import atomic
from medcl.palette import BLACK, GRAY, SERIES

WIDTH = 7.1
"""Inches (180 mm)."""

MARKERS = ("o", "s", "^", "D", "v", "P")
"""Markers of methods, which distinguish them in gray print."""

CONTROL_MARKERS = ("+", "x", "1", "2", "3")

STYLE: Any = {
    "font.size": 8.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "svg.fonttype": "path",
    "savefig.dpi": 200.0,
}


def save(figure: Figure, folder: Path, name: str) -> str:
    """Write `name`.svg and `name`.png into `folder` atomically and return the text of the SVG."""
    with mpl.rc_context({**STYLE, "svg.hashsalt": name}):
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # laid out once, not once for each format
        with atomic(folder / f"{name}.png") as temporary:
            figure.savefig(temporary, format="png")
        with atomic(folder / f"{name}.svg") as temporary:
            figure.savefig(temporary, format="svg", metadata={"Date": None, "Creator": "medcl"})
    return (folder / f"{name}.svg").read_text(encoding="utf-8")


def method_style(index: int) -> tuple[str, str, str]:
    """Return color, marker and line of a method by its place among the methods."""
    return SERIES[index % len(SERIES)], MARKERS[index % len(MARKERS)], "-"


BASELINE_STYLE = (BLACK, "o", "--")


def arm_style(result: Evaluation, arm: str) -> tuple[str, str, str]:
    """Return color, marker and line of an arm."""
    if arm == result.primary.baseline:
        return BASELINE_STYLE
    if arm in result.controls:
        return GRAY, CONTROL_MARKERS[result.controls.index(arm) % len(CONTROL_MARKERS)], ":"
    return method_style(result.methods.index(arm))


def pair(result: Evaluation) -> tuple[str, str]:
    """Return the baseline and the method of the primary comparison."""
    return result.primary.baseline, result.primary.arm


def compared_budgets(result: Evaluation) -> list[str]:
    """Return the budgets at which the primary method was run."""
    of_method = result.differences["arm"] == result.primary.arm
    return list(dict.fromkeys(result.differences.loc[of_method, "budget"]))


def panels(height: float, budgets: list[str]) -> tuple[Figure, list[Axes]]:
    """Return a figure with a panel per budget, each `height` inches high."""
    columns = min(len(budgets), 4)
    rows = -(-len(budgets) // columns)
    figure = Figure(figsize=(min(WIDTH, 2.4 * columns), height * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    for axes in grid[len(budgets) :]:
        axes.set_visible(False)
    for axes, budget in zip(grid, budgets, strict=False):
        axes.set_title(budget_label(budget), fontsize=8)
    return figure, list(grid[: len(budgets)])


def embedded(svg: str) -> dict[str, str]:
    """Return an SVG as base64, and the width in pixels at which all figures have the same scale."""
    width = re.search(r'<svg[^>]*? width="([\d.]+)pt"', svg)
    points = float(width[1]) if width else 511.0
    return {"data": base64.b64encode(svg.encode()).decode(), "width": f"{points * 1.8:.0f}"}
