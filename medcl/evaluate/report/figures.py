"""The figures of a report: label efficiency, ROC, reliability, confusion, decision curves, robustness."""

from __future__ import annotations

from collections.abc import Callable

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from medcl.evaluate.evaluation import Evaluation
from medcl.evaluate.report.style import BASELINE, STYLE, WIDTH, in_order, look, pair, panels
from medcl.statistics.metrics import NAMES, mass_bins


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


def label_efficiency(result: Evaluation) -> Figure:
    """Draw the primary metric against the number of labels, and each method's difference to the baseline."""
    figure = Figure(figsize=(WIDTH, 3.7), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1.25, 1])
    place, names = _places(result)
    metric = result.primary.metric
    means = result.arms[result.arms["metric"] == metric]
    arms = in_order(result)
    for i, arm in enumerate(arms):
        rows = means[means["arm"] == arm]
        x = np.array([place[budget] for budget in rows["budget"]])
        color, marker, line = look(result, arm)
        width = 0.8 if arm in result.controls else 1.5
        left.plot(
            x,
            rows["value"],
            line,
            color=color,
            marker=marker,
            markersize=3 * width,
            linewidth=width,
            label=arm,
        )
        if arm in result.controls:  # their intervals stand in the table
            continue
        left.fill_between(x, rows["low"], rows["high"], color=color, alpha=0.13, linewidth=0)
        cells = result.cells[result.cells["arm"] == arm]
        beside = np.array([place[budget] for budget in cells["budget"]]) + _step(place, arms) * (i + 1)
        left.plot(beside, cells[metric], ".", color=color, markersize=3.5, alpha=0.75, markeredgewidth=0)
    left.set_ylabel(f"test {NAMES[metric]}")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=5, fontsize=7)
    _draw_differences(right, result, place)
    for axes in (left, right):
        axes.set_xticks([place[budget] for budget in result.budgets], names)
        axes.minorticks_off()
        axes.set_xlabel("labeled training scans a class")
    left.set_title(
        "a   Mean over seeds, 95 % interval, each seed (of controls the mean)", loc="left", fontsize=8
    )
    right.set_title(f"b   Difference to {result.primary.baseline}, 95 % interval", loc="left", fontsize=8)
    return figure


def _draw_differences(axes: Axes, result: Evaluation, place: dict[str, float]) -> None:
    table = result.differences[result.differences["metric"] == result.primary.metric]
    methods = [
        arm for arm in in_order(result) if arm != result.primary.baseline and arm not in result.controls
    ]
    step = 2 * _step(place, methods)
    for i, arm in enumerate(methods):
        rows = table[table["arm"] == arm]
        x = np.array([place[budget] for budget in rows["budget"]]) + step * (i - (len(methods) - 1) / 2)
        color, marker, _ = look(result, arm)
        spread = np.stack([rows["value"] - rows["low"], rows["high"] - rows["value"]])
        axes.errorbar(
            x,
            rows["value"],
            np.maximum(spread, 0),
            fmt=marker,
            color=color,
            markersize=4.5,
            linewidth=1.3,
            capsize=2.5,
        )
    axes.axhline(0, color=BASELINE, linewidth=1)
    axes.set_ylabel(f"difference in {NAMES[result.primary.metric]}")


def _step(place: dict[str, float], arms: list[str]) -> float:
    """Return how far apart on the axis marks of different arms at one budget stand."""
    return 0.05 * (max(place.values()) - min(place.values()) or 1.0) / max(len(arms), 1)


def _places(result: Evaluation) -> tuple[dict[str, float], list[str]]:
    """Return each budget's place (log of its labels where all are known, else even) and its name."""
    labels = result.arms.groupby("budget", sort=False)["labels"].first()
    if labels.notna().all() and labels.is_unique:
        place = {str(budget): float(np.log10(value)) for budget, value in labels.items()}
    else:
        place = {budget: float(i) for i, budget in enumerate(result.budgets)}
    names = []
    for budget, value in labels.items():
        name = str(budget).removesuffix("/class")
        names.append(f"all\n(mean {value / 2:,.0f})" if budget == "all" and np.isfinite(value) else name)
    return place, names


def roc(result: Evaluation) -> Figure:
    """Draw the ROC curves of the primary comparison: each seed thin, their mean thick."""
    figure, frames, budgets = panels(result, 2.1)
    board = result.resampled.panel
    across = np.linspace(0, 1, 201)
    for axes, budget in zip(frames, budgets, strict=True):
        axes.plot([0, 1], [0, 1], color="#bbbbbb", linewidth=0.8)
        for arm in pair(result):
            color, _, line = look(result, arm)
            curves = []
            for row in board.rows(arm, budget).values():
                fpr, tpr, _ = roc_curve(board.truth, board.probability[row], drop_intermediate=False)
                axes.plot(fpr, tpr, color=color, linewidth=0.4, alpha=0.4)
                curves.append(np.interp(across, fpr, tpr))
            axes.plot(across, np.mean(curves, axis=0), line, color=color, linewidth=1.6, label=arm)
        axes.set_aspect("equal")
        axes.set_xlabel("1 - specificity")
    frames[0].set_ylabel("sensitivity (recall)")
    frames[0].legend(loc="lower right", fontsize=6.5)
    return figure


def reliability(result: Evaluation) -> Figure:
    """Draw observed against predicted probability in ten bins of equal mass: seeds thin, pooled thick."""
    figure, frames, budgets = panels(result, 2.1)
    board = result.resampled.panel
    for axes, budget in zip(frames, budgets, strict=True):
        axes.plot([0, 1], [0, 1], color="#bbbbbb", linewidth=0.8)
        for arm in pair(result):
            color, marker, line = look(result, arm)
            rows = list(board.rows(arm, budget).values())
            for row in rows:
                told, seen = _observed(board.truth, board.probability[row])
                axes.plot(told, seen, color=color, linewidth=0.4, alpha=0.4)
            told, seen = _observed(np.tile(board.truth, len(rows)), board.probability[rows].ravel())
            axes.plot(told, seen, line, color=color, marker=marker, markersize=3, linewidth=1.2, label=arm)
        axes.set_aspect("equal")
        axes.set_xlabel("predicted probability")
    frames[0].set_ylabel("observed share of positives")
    frames[0].legend(loc="upper left", fontsize=6.5)
    return figure


def _observed(truth: np.ndarray, probability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean probability and the share of positives of each equal-mass bin."""
    bins = mass_bins(probability)
    size = np.bincount(bins)
    return np.bincount(bins, weights=probability) / size, np.bincount(bins, weights=truth) / size


def confusion(result: Evaluation) -> Figure:
    """Draw the confusion matrices at the validation threshold, mean over seeds and range."""
    mine = result.differences["arm"] == result.primary.arm
    budgets = list(dict.fromkeys(result.differences.loc[mine, "budget"]))
    figure = Figure(figsize=(min(WIDTH, 2.0 * len(budgets) + 0.8), 3.6), layout="constrained")
    grid = figure.subplots(2, len(budgets), squeeze=False)
    for row, arm in enumerate(reversed(pair(result))):
        for column, budget in enumerate(budgets):
            cells = result.cells[(result.cells["arm"] == arm) & (result.cells["budget"] == budget)]
            axes = grid[row, column]
            _draw_confusion(axes, [[cells["tp"], cells["fn"]], [cells["fp"], cells["tn"]]])
            axes.set_title(budget.replace("/", " a ") if row == 0 else "", fontsize=8)
            axes.set_yticks([0, 1], ["positive", "negative"] if column == 0 else ["", ""])
            axes.set_xticks([0, 1], ["positive", "negative"] if row else ["", ""])
            if column == 0:
                axes.set_ylabel(f"{arm}\ntruth")
            if row:
                axes.set_xlabel("called")
    return figure


def _draw_confusion(axes: Axes, cells: list[list[np.ndarray]]) -> None:
    mean = np.array([[np.mean(value) for value in line] for line in cells])
    share = mean / np.maximum(mean.sum(axis=1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1.25)
    axes.grid(False)
    for i in range(2):
        for j in range(2):
            low, high = np.min(cells[i][j]), np.max(cells[i][j])
            text = f"{mean[i, j]:.0f}" + (f"\n{low} to {high}" if low < high else "")
            axes.text(
                j,
                i,
                text,
                ha="center",
                va="center",
                color="white" if share[i, j] > 0.7 else "black",
                fontsize=7,
            )


def decision_curve(result: Evaluation) -> Figure:
    """Draw net benefit against the threshold probability, beside treating all and treating none."""
    curves = result.further["decision_curves"]
    budgets = list(dict.fromkeys(curves["budget"]))
    figure, frames, budgets = panels(result, 2.1, budgets)
    for axes, budget in zip(frames, budgets, strict=True):
        here = curves[curves["budget"] == budget]
        for arm in pair(result):
            rows = here[here["arm"] == arm]
            color, _, line = look(result, arm)
            axes.fill_between(
                rows["threshold"], rows["low"], rows["high"], color=color, alpha=0.13, linewidth=0
            )
            axes.plot(rows["threshold"], rows["net_benefit"], line, color=color, linewidth=1.3, label=arm)
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
            color, marker, line = look(result, arm)
            clean = float(rows["value"].iloc[0] - rows["change"].iloc[0])
            x, y = [0, *rows["severity"]], [clean, *rows["value"]]
            axes.plot(x, y, line, color=color, marker=marker, markersize=3.5, label=f"{arm}, {budget}")
            axes.fill_between(
                rows["severity"], rows["low"], rows["high"], color=color, alpha=0.13, linewidth=0
            )
        axes.axhline(0.5, color=BASELINE, linewidth=0.6, linestyle=":")
        axes.set_title(kind, fontsize=8)
        axes.set_xlabel("severity (0: clean)")
        axes.legend(fontsize=6.5)
    figure.axes[0].set_ylabel("test AUROC")
    return figure
