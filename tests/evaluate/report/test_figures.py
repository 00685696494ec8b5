"""Figures show the numbers of the evaluation."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from medcl.evaluate import ArmRecord, Evaluation, Primary, evaluate
from medcl.evaluate.report import figures
from medcl.testing.simulated_study import study

ARMS = {"byol": {"5/class": 0.9, "all": 0.95}, "supervised": {"5/class": 0.8, "all": 0.9}}


@pytest.fixture(scope="module")
def evaluated() -> Evaluation:
    table = study(ARMS | {"random": {"all": 0.6}}, patients=50, seeds=2)
    noisy = table[(table["arm"] == "byol") & (table["split"] == "test")].assign(arm="byol@noise-2")
    return evaluate(
        pd.concat([table, noisy], ignore_index=True),
        primary=Primary(arm="byol"),
        draws=30,
        labels={"all": 200},
        arm_records={"random": ArmRecord(control=True)},
    )


def lines(axes: Any, label: str) -> Any:
    (line,) = [line for line in axes.lines if line.get_label() == label]
    return line


def test_there_is_a_figure_for_every_analysis_and_robustness_where_it_was_measured(
    evaluated: Evaluation,
) -> None:
    names = ["label_efficiency", "roc", "reliability", "confusion", "decision_curve"]
    assert list(figures.draw_all(evaluated)) == [*names, "robustness"]
    clean = evaluated.analyses | {"robustness": evaluated.analyses["robustness"].iloc[:0]}
    assert list(figures.draw_all(replace(evaluated, analyses=clean))) == names


def test_label_efficiency_shows_means_over_labels(evaluated: Evaluation) -> None:
    left, right = figures.label_efficiency(evaluated).axes
    rows = evaluated.arms[evaluated.arms["metric"] == "auroc"]
    for arm in ("byol", "supervised", "random"):
        np.testing.assert_allclose(lines(left, arm).get_ydata(), rows.loc[rows["arm"] == arm, "value"])
    np.testing.assert_allclose(lines(left, "byol").get_xdata(), np.log10([10, 200]))
    assert [text.get_text() for text in left.get_xticklabels()] == ["5", "all\n(mean 100)"]
    assert len(left.collections) == 2, "controls have no band"
    assert (left.get_ylabel(), right.get_ylabel()) == ("test AUROC", "difference in AUROC")


def test_budgets_of_unknown_size_are_evenly_spaced() -> None:
    arms = pd.DataFrame({"budget": ["5/class", "all"], "labels": [10.0, np.nan]})
    result: Any = SimpleNamespace(arms=arms, budgets=["5/class", "all"])
    assert figures._places(result) == ({"5/class": 0.0, "all": 1.0}, ["5", "all"])


def test_roc_curves_rise_from_corner_to_corner(evaluated: Evaluation) -> None:
    for axes in figures.roc(evaluated).axes:
        curve = lines(axes, "byol").get_ydata()
        assert curve[-1] == 1
        assert (np.diff(curve) >= -1e-12).all()
        assert np.trapezoid(curve, np.linspace(0, 1, 201)) > 0.75


def test_reliability_is_the_share_of_positives_in_bins_of_equal_mass() -> None:
    probability = np.repeat(np.linspace(0.05, 0.95, 10), 4)
    truth = np.arange(40) % 4 < 1
    predicted, observed = figures._observed(truth, probability)
    np.testing.assert_allclose(predicted, np.linspace(0.05, 0.95, 10))
    np.testing.assert_allclose(observed, 0.25)


def test_confusion_matrices_hold_the_mean_counts_and_their_range(evaluated: Evaluation) -> None:
    axes = figures.confusion(evaluated).axes
    cells = evaluated.experiment_cells.query("arm == 'byol' and budget == '5/class'")
    shown = [text.get_text() for text in axes[0].texts]
    for text, name in zip(shown, ("tp", "fn", "fp", "tn"), strict=True):
        mean, low, high = cells[name].mean(), cells[name].min(), cells[name].max()
        assert text == f"{mean:.0f}" + (f"\n{low} to {high}" if low < high else "")
    assert axes[0].get_ylabel() == "byol\ntruth"


def test_decision_curves_and_robustness_start_where_they_should(evaluated: Evaluation) -> None:
    curves = evaluated.analyses["decision_curves"]
    first = figures.decision_curve(evaluated).axes[0]
    here = curves[(curves["budget"] == "5/class") & (curves["arm"] == "byol")]
    np.testing.assert_allclose(lines(first, "byol").get_ydata(), here["net_benefit"])
    (axes,) = figures.robustness(evaluated).axes
    line = lines(axes, "byol, all labels")
    assert list(line.get_xdata()) == [0, 2]
    clean = evaluated.arms.query("arm == 'byol' and budget == 'all' and metric == 'auroc'")["value"].item()
    np.testing.assert_allclose(line.get_ydata(), clean, atol=1e-9)
    assert axes.get_title() == "noise"
