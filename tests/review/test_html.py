"""Escaping, tables and colors of the app's HTML."""

from __future__ import annotations

from medcl.palette import GRAY, INK, SERIES
from medcl.review.html import colors, safe, table


def test_no_value_is_read_as_markup() -> None:
    assert safe("<b onclick='x'>\"&") == "&lt;b onclick=&#x27;x&#x27;&gt;&quot;&amp;"
    assert safe(0.5) == "0.5"


def test_a_table_has_its_header_and_a_row_per_entry() -> None:
    html = table(["A", "B"], [["1", "2"], ["3", "4"]])
    assert html.startswith('<div class="wide"><table><thead><tr><th>A</th><th>B</th></tr></thead>')
    assert "<tr><td>1</td><td>2</td></tr><tr><td>3</td><td>4</td></tr>" in html


def test_methods_are_colored_in_order_and_controls_are_gray() -> None:
    arms = ["simclr", "supervised", "random", "byol"]
    assert colors(arms, "supervised", ["random"]) == {
        "simclr": SERIES[0],
        "byol": SERIES[1],
        "random": GRAY,
        "supervised": INK,
    }


def test_more_methods_than_colors_begin_again() -> None:
    arms = [f"m{number}" for number in range(len(SERIES) + 1)]
    assert colors(arms, "supervised", [])[arms[-1]] == SERIES[0]
