"""Figures of a report: label efficiency, ROC, reliability, confusion, decision curves, robustness."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from medcl.evaluate.arms import budget_label
from medcl.evaluate.evaluation import Evaluation
from medcl.evaluate.report.style import STYLE, WIDTH, arm_style, compared_budgets, pair, panels
from medcl.palette import BLACK
from medcl.statistics import METRICS, mass_bins


def draw_all(result: Evaluation) -> dict[str, Figure]:
    """Return every figure that the tables allow, by name."""
    functions: list[Callable[[Evaluation], Figure]] = [
        label_efficiency,
        roc,
        reliability,
        confusion,
        decision_curve,
    ]
    if len(result.analyses["robustness"]):
        functions.append(robustness)
    with mpl.rc_context(STYLE):
        return {draw.__name__: draw(result) for draw in functions}


def label_efficiency(result: Evaluation) -> Figure:
    """Draw the primary metric against the number of labels, and each method's difference to the baseline."""
    figure = Figure(figsize=(WIDTH, 3.7), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1.25, 1])
    place, names = _places(result)
    metric = result.primary.metric
    means = result.arms[result.arms["metric"] == metric]
    for i, arm in enumerate(result.arm_names):
        rows = means[means["arm"] == arm]
        x = np.array([place[budget] for budget in rows["budget"]])
        color, marker, line = arm_style(result, arm)
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
        if arm in result.controls:  # the table has their intervals
            continue
        left.fill_between(x, rows["low"], rows["high"], color=color, alpha=0.13, linewidth=0)
        cells = result.experiment_cells[result.experiment_cells["arm"] == arm]
        shifted = np.array([place[budget] for budget in cells["budget"]]) + _step(place, result.arm_names) * (
            i + 1
        )
        left.plot(shifted, cells[metric], ".", color=color, markersize=3.5, alpha=0.75, markeredgewidth=0)
    left.set_ylabel(f"test {METRICS[metric].label}")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=5, fontsize=7)
    _draw_differences(right, result, place)
    for axes in (left, right):
        axes.set_xticks([place[budget] for budget in result.budgets], names)
        axes.minorticks_off()
        axes.set_xlabel("labeled training scans per class")
    left.set_title("a   Mean over seeds, 95 % interval (controls: mean)", loc="left", fontsize=8)
    right.set_title(f"b   Difference from {result.primary.baseline}, 95 % interval", loc="left", fontsize=8)
    return figure


def _draw_differences(axes: Axes, result: Evaluation, place: dict[str, float]) -> None:
    table = result.differences[result.differences["metric"] == result.primary.metric]
    methods = result.methods
    step = 2 * _step(place, methods)
    for i, arm in enumerate(methods):
        rows = table[table["arm"] == arm]
        x = np.array([place[budget] for budget in rows["budget"]]) + step * (i - (len(methods) - 1) / 2)
        color, marker, _ = arm_style(result, arm)
        lengths = np.stack([rows["value"] - rows["low"], rows["high"] - rows["value"]])
        axes.errorbar(
            x,
            rows["value"],
            np.maximum(lengths, 0),
            fmt=marker,
            color=color,
            markersize=4.5,
            linewidth=1.3,
            capsize=2.5,
        )
    axes.axhline(0, color=BLACK, linewidth=1)
    axes.set_ylabel(f"difference in {METRICS[result.primary.metric].label}")


def _step(place: dict[str, float], arms: list[str]) -> float:
    """Return the distance on the axis between the marks of different arms at one budget."""
    return 0.05 * (max(place.values()) - min(place.values()) or 1.0) / max(len(arms), 1)


def _places(result: Evaluation) -> tuple[dict[str, float], list[str]]:
    """Return each budget's place on the axis (log of its labels if all are known, else even) and its name."""
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
    budgets = compared_budgets(result)
    figure, frames = panels(2.1, budgets)
    panel = result.resampled.panel
    false_positive_rates = np.linspace(0, 1, 201)
    for axes, budget in zip(frames, budgets, strict=True):
        axes.plot([0, 1], [0, 1], color="#bbbbbb", linewidth=0.8)
        for arm in pair(result):
            color, _, line = arm_style(result, arm)
            curves = []
            for row in panel.rows(arm, budget).values():
                fpr, tpr, _ = roc_curve(panel.truth, panel.probability[row], drop_intermediate=False)
                axes.plot(fpr, tpr, color=color, linewidth=0.4, alpha=0.4)
                curves.append(np.interp(false_positive_rates, fpr, tpr))
            mean = np.mean(curves, axis=0)
            axes.plot(false_positive_rates, mean, line, color=color, linewidth=1.6, label=arm)
        axes.set_aspect("equal")
        axes.set_xlabel("1 - specificity")
    frames[0].set_ylabel("sensitivity (recall)")
    frames[0].legend(loc="lower right", fontsize=6.5)
    return figure


def reliability(result: Evaluation) -> Figure:
    """Draw observed against predicted probability in ten bins of equal mass: seeds thin, pooled thick."""
    budgets = compared_budgets(result)
    figure, frames = panels(2.1, budgets)
    panel = result.resampled.panel
    for axes, budget in zip(frames, budgets, strict=True):
        axes.plot([0, 1], [0, 1], color="#bbbbbb", linewidth=0.8)
        for arm in pair(result):
            color, marker, line = arm_style(result, arm)
            rows = list(panel.rows(arm, budget).values())
            for row in rows:
                predicted, observed = _observed(panel.truth, panel.probability[row])
                axes.plot(predicted, observed, color=color, linewidth=0.4, alpha=0.4)
            predicted, observed = _observed(np.tile(panel.truth, len(rows)), panel.probability[rows].ravel())
            style: dict[str, Any] = {"color": color, "marker": marker, "markersize": 3, "linewidth": 1.2}
            axes.plot(predicted, observed, line, label=arm, **style)
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
    budgets = compared_budgets(result)
    figure = Figure(figsize=(min(WIDTH, 2.0 * len(budgets) + 0.8), 3.6), layout="constrained")
    grid = figure.subplots(2, len(budgets), squeeze=False)
    for row, arm in enumerate(reversed(pair(result))):
        for column, budget in enumerate(budgets):
            cells = result.experiment_cells[
                (result.experiment_cells["arm"] == arm) & (result.experiment_cells["budget"] == budget)
            ]
            axes = grid[row, column]
            _draw_confusion(axes, [[cells["tp"], cells["fn"]], [cells["fp"], cells["tn"]]])
            axes.set_title(budget_label(budget) if row == 0 else "", fontsize=8)
            axes.set_yticks([0, 1], ["positive", "negative"] if column == 0 else ["", ""])
            axes.set_xticks([0, 1], ["positive", "negative"] if row else ["", ""])
            if column == 0:
                axes.set_ylabel(f"{arm}\ntruth")
            if row:
                axes.set_xlabel("predicted")
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
    curves = result.analyses["decision_curves"]
    budgets = list(dict.fromkeys(curves["budget"]))
    figure, frames = panels(2.1, budgets)
    for axes, budget in zip(frames, budgets, strict=True):
        here = curves[curves["budget"] == budget]
        for arm in pair(result):
            rows = here[here["arm"] == arm]
            color, _, line = arm_style(result, arm)
            axes.fill_between(
                rows["threshold"], rows["low"], rows["high"], color=color, alpha=0.13, linewidth=0
            )
            axes.plot(rows["threshold"], rows["net_benefit"], line, color=color, linewidth=1.3, label=arm)
        axes.plot(rows["threshold"], rows["treat_all"], color="#777777", linewidth=0.9, label="treat all")
        axes.axhline(0, color="#777777", linewidth=0.9, linestyle=":", label="treat none")
        axes.set_ylim(-0.05, 1.15 * max(float(curves["high"].max()), 0.05))
        axes.set_xlabel("threshold probability")
    frames[0].set_ylabel("net benefit")
    figure.legend(*frames[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=7)
    return figure


def robustness(result: Evaluation) -> Figure:
    """Draw AUROC against the severity of each corruption; severity 0 is the clean images."""
    table = result.analyses["robustness"]
    kinds = list(dict.fromkeys(table["corruption"]))
    figure = Figure(figsize=(min(WIDTH, 2.4 * len(kinds) + 1.2), 2.4), layout="constrained")
    for axes, kind in zip(figure.subplots(1, len(kinds), squeeze=False, sharey=True)[0], kinds, strict=True):
        for (arm, budget), rows in table[table["corruption"] == kind].groupby(["arm", "budget"], sort=False):
            color, marker, line = arm_style(result, arm)
            clean = float(rows["value"].iloc[0] - rows["change"].iloc[0])
            x, y = [0, *rows["severity"]], [clean, *rows["value"]]
            axes.plot(
                x, y, line, color=color, marker=marker, markersize=3.5, label=f"{arm}, {budget_label(budget)}"
            )
            axes.fill_between(
                rows["severity"], rows["low"], rows["high"], color=color, alpha=0.13, linewidth=0
            )
        axes.axhline(0.5, color=BLACK, linewidth=0.6, linestyle=":")
        axes.set_title(kind, fontsize=8)
        axes.set_xlabel("severity (0: clean)")
        axes.legend(fontsize=6.5)
    figure.axes[0].set_ylabel("test AUROC")
    return figure
