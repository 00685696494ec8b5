"""Style of figures: every arm is told apart, files are whole and repeatable."""

from __future__ import annotations

import base64
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from matplotlib.figure import Figure

from medcl.evaluate.report.style import (
    BASELINE_STYLE,
    WIDTH,
    arm_style,
    compared_budgets,
    embedded,
    method_style,
    pair,
    panels,
    save,
)
from medcl.palette import GRAY, SERIES


def figure() -> Figure:
    drawn = Figure(figsize=(3, 2))
    drawn.subplots().plot([0, 1], [1, 0])
    return drawn


def test_a_figure_is_written_twice_to_the_same_bytes(tmp_path: Path) -> None:
    texts = [save(figure(), tmp_path / name, "curve") for name in ("one", "two")]
    assert texts[0] == texts[1]
    assert texts[0] == (tmp_path / "one" / "curve.svg").read_text()
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == ["curve.png", "curve.svg"]
    assert "Date" not in texts[0]
    pngs = [(tmp_path / name / "curve.png").read_bytes() for name in ("one", "two")]
    assert pngs[0] == pngs[1]


def test_arms_are_told_apart_by_role() -> None:
    result: Any = SimpleNamespace(
        primary=SimpleNamespace(baseline="supervised", arm="byol"),
        controls=["random", "shuffled"],
        methods=["byol", "moco"],
    )
    styles = {arm: arm_style(result, arm) for arm in ("supervised", "byol", "moco", "random", "shuffled")}
    assert len(set(styles.values())) == 5
    assert styles["supervised"] == BASELINE_STYLE
    assert styles["moco"] == method_style(1) == (SERIES[1], "s", "-")
    assert {styles["random"][0], styles["shuffled"][0]} == {GRAY}
    assert pair(result) == ("supervised", "byol")


def test_methods_beyond_the_palette_begin_again() -> None:
    assert method_style(len(SERIES))[0] == method_style(0)[0]


@pytest.mark.parametrize(("budgets", "rows", "columns"), [(1, 1, 1), (4, 1, 4), (5, 2, 4)])
def test_there_is_a_titled_panel_per_budget(budgets: int, rows: int, columns: int) -> None:
    names = [f"{number + 1}/class" for number in range(budgets)]
    drawn, frames = panels(2.0, names)
    assert [axes.get_title() for axes in frames[1:2]] == ["2 labels per class"][: budgets - 1]
    assert len(frames) == budgets
    assert sum(axes.get_visible() for axes in drawn.axes) == budgets
    assert len(drawn.axes) == rows * columns
    assert tuple(drawn.get_size_inches()) == (min(WIDTH, 2.4 * columns), 2.0 * rows)


def test_embedded_figures_have_one_scale() -> None:
    image = embedded('<?xml?><svg height="5pt" width="100.5pt" viewBox="0 0 1 1"></svg>')
    assert image["width"] == "181"
    assert base64.b64decode(image["data"]).startswith(b"<?xml?><svg")
    assert embedded("<svg></svg>")["width"] == "920"


def test_budgets_of_the_primary_method_are_compared(result: Any) -> None:
    assert compared_budgets(result) == ["5/class", "all"]
