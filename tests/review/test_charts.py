"""Figures of the app show the study's numbers and no markup of its names."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("plotly")

from medcl.review.charts import histogram, label_efficiency
from medcl.review.study import Study, load_study
from tests.review import fake_study


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return load_study(fake_study.write_study(tmp_path_factory.mktemp("study")))


def test_each_arm_has_its_means_and_only_methods_have_bands(study: Study) -> None:
    chart = label_efficiency(study, "auroc")
    lines = {trace.name: trace for trace in chart.data if trace.name}
    means = study.arms[study.arms["metric"] == "auroc"]
    for arm, rows in means.groupby("arm"):
        np.testing.assert_allclose(lines[arm].y, rows["value"])
    assert lines["supervised"].line.dash == "dash"
    assert lines["random-probe"].line.dash == "dot"
    bands = [trace for trace in chart.data if trace.fill == "toself"]
    assert len(bands) == len(study.arm_names) - len(study.controls)
    points = [trace for trace in chart.data if trace.mode == "markers"]
    assert {len(trace.y) for trace in points} == {3 * 3}
    assert list(chart.layout.xaxis.ticktext) == ["5 labels per class", "20 labels per class", "all labels"]
    assert chart.layout.yaxis.title.text == "Test AUROC"


def test_bars_count_the_scans_of_both_classes() -> None:
    probability = np.array([0.01, 0.02, 0.99, 0.5, 1.0])
    truth = np.array([False, False, True, True, True])
    chart = histogram(probability, truth, 0.4, ("<i>healthy", "abnormal"))
    healthy, abnormal = chart.data
    assert healthy.name == "&lt;i&gt;healthy"
    assert (healthy.y.sum(), healthy.y[0]) == (2, 2)
    assert (abnormal.y.sum(), abnormal.y[-1], abnormal.y[12]) == (3, 2, 1)
    assert chart.layout.shapes[0].x0 == chart.layout.shapes[0].x1 == 0.4
