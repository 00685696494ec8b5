"""Interactive figures of the review app."""

from __future__ import annotations

import html

import numpy as np
import plotly.graph_objects as go

from medcl.evaluate import budget_label
from medcl.palette import BLUE, INK, VERMILION
from medcl.review.study import Study
from medcl.statistics import METRICS

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x")
FONT = {"size": 13, "color": INK}


def label_efficiency(study: Study, metric: str) -> go.Figure:
    """Draw a metric against the label budget: mean line, 95 % band, seeds as points; controls as lines."""
    means = study.arms[study.arms["metric"] == metric]
    cells, colors, controls = study.experiment_cells, study.colors, study.controls
    budgets = list(dict.fromkeys(means["budget"]))
    place = {budget: i for i, budget in enumerate(budgets)}
    chart = go.Figure()
    for i, arm in enumerate(dict.fromkeys(means["arm"])):
        rows = means[means["arm"] == arm]
        x = np.array([place[budget] for budget in rows["budget"]], dtype=float)
        dash = "dot" if arm in controls else "dash" if arm == study.primary.baseline else "solid"
        seeds = cells[cells["arm"] == arm]
        shift = (i - (means["arm"].nunique() - 1) / 2) * 0.06
        if arm not in controls:  # the table has their intervals
            chart.add_scatter(
                x=np.r_[x, x[::-1]],
                y=np.r_[rows["high"], rows["low"][::-1]],
                mode="lines",
                fill="toself",
                fillcolor=translucent(colors[arm], 0.12),
                line={"width": 0},
                hoverinfo="skip",
                showlegend=False,
                legendgroup=str(i),
            )
            chart.add_scatter(
                x=np.array([place[budget] for budget in seeds["budget"]]) + shift,
                y=seeds[metric],
                mode="markers",
                marker={
                    "size": 5,
                    "color": translucent(colors[arm], 0.6),
                    "symbol": SYMBOLS[i % len(SYMBOLS)],
                },
                hovertemplate="%{y:.3f}<extra>one seed</extra>",
                showlegend=False,
                legendgroup=str(i),
            )
        chart.add_scatter(
            x=x,
            y=rows["value"],
            mode="lines+markers",
            name=html.escape(arm),
            line={"color": colors[arm], "width": 1.4 if arm in controls else 2.2, "dash": dash},
            marker={"size": 8, "symbol": SYMBOLS[i % len(SYMBOLS)]},
            hovertemplate="%{y:.3f}<extra>" + html.escape(arm) + "</extra>",
            legendgroup=str(i),
        )
    names = [html.escape(budget_label(budget)) for budget in budgets]
    chart.update_xaxes(tickvals=list(range(len(budgets))), ticktext=names, title="Label budget")
    chart.update_yaxes(title=f"Test {METRICS[metric].label}")
    return layout(chart, 380)


def histogram(
    probability: np.ndarray, truth: np.ndarray, threshold: float, names: tuple[str, str]
) -> go.Figure:
    """Draw the distribution of the probabilities in both classes, with the threshold.

    Args:
        probability: Probability of each scan, (n,).
        truth: Whether each scan is positive, (n,) bool.
        threshold: The threshold.
        names: Names of the negative and the positive class.
    """
    chart = go.Figure()
    edges = np.linspace(0, 1, 26)
    for name, members, color in ((names[0], ~truth, BLUE), (names[1], truth, VERMILION)):
        count, _ = np.histogram(probability[members], edges)
        chart.add_bar(
            x=(edges[1:] + edges[:-1]) / 2,
            y=count,
            width=0.036,
            name=html.escape(name),
            marker={"color": translucent(color, 0.55)},
            hovertemplate="%{y} scans<extra>" + html.escape(name) + "</extra>",
        )
    chart.add_vline(threshold, line={"color": INK, "width": 2})
    chart.update_layout(barmode="overlay")
    chart.update_xaxes(title="Predicted probability", range=[0, 1])
    chart.update_yaxes(title="Scans")
    return layout(chart, 230)


def layout(chart: go.Figure, height: int) -> go.Figure:
    """Give a figure the style of the app and a height in pixels."""
    chart.update_layout(
        template="plotly_white",
        height=height,
        font=FONT,
        margin={"l": 60, "r": 10, "t": 10, "b": 45},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        hovermode="closest",
    )
    chart.update_xaxes(showgrid=False, linecolor="#9aa5b1", fixedrange=True)
    chart.update_yaxes(gridcolor="#e3e7ea", zeroline=False, fixedrange=True)
    return chart


def translucent(color: str, share: float) -> str:
    """Return the color `#rrggbb` with an opacity (0..1)."""
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{share})"
