"""Figures beyond the main ones: decision curves and robustness."""

from __future__ import annotations

from collections.abc import Callable

import matplotlib as mpl
from matplotlib.figure import Figure

from medcl.evaluate.drawing import BASELINE, STYLE, WIDTH, look, pair, panels
from medcl.evaluate.evaluate import Evaluation
from medcl.evaluate.figures import confusion, label_efficiency, reliability, roc


def draw_all(result: Evaluation) -> dict[str, Figure]:
    """Return every figure that the tables allow, by name."""
    drawn: list[Callable[[Evaluation], Figure]] = [
        label_efficiency,
        roc,
        reliability,
        confusion,
        decision_curve,
    ]
    if len(result.further["robustness"]):
        drawn.append(robustness)
    with mpl.rc_context(STYLE):
        return {draw.__name__: draw(result) for draw in drawn}


def decision_curve(result: Evaluation) -> Figure:
    """Draw net benefit against the threshold probability, beside treating all and treating none."""
    curves = result.further["decision_curves"]
    budgets = list(dict.fromkeys(curves["budget"]))
    figure, frames, budgets = panels(result, 2.1, budgets)
    for axes, budget in zip(frames, budgets, strict=True):
        here = curves[curves["budget"] == budget]
        for arm in pair(result):
            rows = here[here["arm"] == arm]
            colour, _, line = look(result, arm)
            axes.fill_between(
                rows["threshold"], rows["low"], rows["high"], color=colour, alpha=0.13, linewidth=0
            )
            axes.plot(rows["threshold"], rows["net_benefit"], line, color=colour, linewidth=1.3, label=arm)
        axes.plot(rows["threshold"], rows["treat_all"], color="#777777", linewidth=0.9, label="treat all")
        axes.axhline(0, color="#777777", linewidth=0.9, linestyle=":", label="treat none")
        axes.set_ylim(-0.05, 1.15 * max(float(curves["high"].max()), 0.05))
        axes.set_xlabel("threshold probability")
    frames[0].set_ylabel("net benefit")
    frames[-1].legend(loc="upper right", fontsize=6.5)
    return figure


def robustness(result: Evaluation) -> Figure:
    """Draw AUROC against the severity of each corruption, from the clean value on."""
    table = result.further["robustness"]
    kinds = list(dict.fromkeys(table["corruption"]))
    figure = Figure(figsize=(min(WIDTH, 2.4 * len(kinds) + 1.2), 2.4), layout="constrained")
    for axes, kind in zip(figure.subplots(1, len(kinds), squeeze=False, sharey=True)[0], kinds, strict=True):
        for (arm, budget), rows in table[table["corruption"] == kind].groupby(["arm", "budget"], sort=False):
            colour, marker, line = look(result, arm)
            clean = float(rows["value"].iloc[0] - rows["change"].iloc[0])
            x, y = [0, *rows["severity"]], [clean, *rows["value"]]
            axes.plot(x, y, line, color=colour, marker=marker, markersize=3.5, label=f"{arm}, {budget}")
            axes.fill_between(
                rows["severity"], rows["low"], rows["high"], color=colour, alpha=0.13, linewidth=0
            )
        axes.axhline(0.5, color=BASELINE, linewidth=0.6, linestyle=":")
        axes.set_title(kind, fontsize=8)
        axes.set_xlabel("severity (0: clean)")
        axes.legend(fontsize=6.5)
    figure.axes[0].set_ylabel("test AUROC")
    return figure
