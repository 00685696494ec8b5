"""Figures of a study's tables of scans, each declared here once; the results page shows those it has."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go

from medcl.palette import BLUE, VERMILION
from medcl.review.charts import layout, translucent
from medcl.review.study import Study


@dataclass(frozen=True)
class ScanFigure:
    """A figure of the test scans.

    Attributes:
        table: Name of its table, as in `medcl.study.scan_tables`.
        title: Heading above the figure.
        note: Sentence below it.
        draw: Draws the table, whose rows are the test scans in the order of `Study.panel`.
    """

    table: str
    title: str
    note: str
    draw: Callable[[Study, pd.DataFrame], go.Figure]


def embedding_map(study: Study, table: pd.DataFrame) -> go.Figure:
    """Draw each test scan at its principal components, in the color of its class."""
    figure, truth = go.Figure(), study.panel.truth
    classes = ((study.record.negative, ~truth, BLUE), (study.record.positive, truth, VERMILION))
    for name, members, color in classes:
        figure.add_scatter(
            x=table["x"][members],
            y=table["y"][members],
            mode="markers",
            name=html.escape(name),
            text=table.index[members],
            marker={"size": 6, "color": translucent(color, 0.6)},
            hovertemplate="%{text}<extra>" + html.escape(name) + "</extra>",
        )
    figure.update_xaxes(title="First principal component")
    figure.update_yaxes(title="Second principal component")
    return layout(figure, 380)


SCAN_FIGURES = (
    ScanFigure(
        table="embeddings",
        title="Test scans as the pretrained encoder sees them",
        note="Features before any label was used; distances in two components are no evidence.",
        draw=embedding_map,
    ),
)
