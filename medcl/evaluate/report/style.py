"""What all figures share: size, colors told apart by everybody, panels, saving."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from medcl.evaluate.evaluation import Evaluation
from medcl.files import atomic

WIDTH = 7.1  # inches, 180 mm
# Okabe and Ito's palette, told apart with every common color blindness; markers tell apart in gray print.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P")
BASELINE, CONTROL = "#000000", "#8a8a8a"
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
        with atomic(folder / f"{name}.png") as temporary:
            figure.savefig(temporary, format="png")
        with atomic(folder / f"{name}.svg") as temporary:
            figure.savefig(temporary, format="svg", metadata={"Date": None, "Creator": "medcl"})
    return (folder / f"{name}.svg").read_text(encoding="utf-8")


def in_order(result: Evaluation) -> list[str]:
    """Return the arms in the order of the tables."""
    return list(dict.fromkeys(result.arms["arm"]))


def look(result: Evaluation, arm: str) -> tuple[str, str, str]:
    """Return color, marker and line of an arm."""
    if arm == result.primary.baseline:
        return BASELINE, "o", "--"
    if arm in result.controls:
        return CONTROL, CONTROL_MARKERS[result.controls.index(arm) % len(CONTROL_MARKERS)], ":"
    methods = [name for name in in_order(result) if name not in (result.primary.baseline, *result.controls)]
    at = methods.index(arm) % len(COLORS)
    return COLORS[at], MARKERS[at], "-"


def pair(result: Evaluation) -> tuple[str, str]:
    """Return the baseline and the method of the primary comparison."""
    return result.primary.baseline, result.primary.arm


def panels(
    result: Evaluation, height: float, budgets: list[str] | None = None
) -> tuple[Figure, list[Axes], list[str]]:
    """Return a figure with a panel a budget (by default every one), `height` in inches."""
    if budgets is None:
        mine = result.differences["arm"] == result.primary.arm
        budgets = list(dict.fromkeys(result.differences.loc[mine, "budget"]))
    columns = min(len(budgets), 4)
    rows = -(-len(budgets) // columns)
    figure = Figure(figsize=(min(WIDTH, 2.4 * columns), height * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    for axes in grid[len(budgets) :]:
        axes.set_visible(False)
    for axes, budget in zip(grid, budgets, strict=False):
        axes.set_title(budget.replace("/", " a "), fontsize=8)
    return figure, list(grid[: len(budgets)]), budgets
