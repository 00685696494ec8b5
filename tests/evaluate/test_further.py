"""The evidence beyond the main table, each against a known truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special
from sklearn.linear_model import LogisticRegression

from medcl.errors import UsageError
from medcl.evaluate import ArmRecord, Evaluation, evaluate
from medcl.evaluate.analyses.controls import control_warnings
from medcl.evaluate.analyses.decision_curve import THRESHOLDS, net_benefit
from medcl.evaluate.analyses.labels_saved import labels_needed
from medcl.evaluate.analyses.subgroups import subgroups
from medcl.statistics.calibration import calibration_line, predictive_values, wilson
from medcl.testing.simulated_study import study

CURVES = {
    "simclr-probe": {"5/class": 0.9, "20/class": 0.93, "100/class": 0.97},
    "supervised": {"5/class": 0.75, "20/class": 0.83, "100/class": 0.92},
}


@pytest.fixture(scope="module")
def result() -> Evaluation:
    table = study(CURVES, patients=300, rng=4, between_seeds=0.05)
    noisy = table[
        (table["arm"] == "simclr-probe") & (table["budget"] == "20/class") & (table["split"] == "test")
    ]
    rng = np.random.default_rng(0)
    worse = [
        noisy.assign(
            arm=f"simclr-probe@noise-{severity}",
            probability=special.expit(
                special.logit(noisy["probability"]) + severity * rng.normal(size=len(noisy))
            ),
        )
        for severity in (1, 3, 5)
    ]
    return evaluate(pd.concat([table, *worse], ignore_index=True), draws=300, prevalence=0.1)


def test_labels_needed_between_budgets() -> None:
    labels = np.array([10.0, 40.0, 200.0])
    curve = np.array([[0.7], [0.8], [0.9]])
    for target, expected in ((0.6, 10), (0.7, 10), (0.75, 20), (0.8, 40), (0.9, 200), (0.91, np.inf)):
        assert labels_needed(labels, curve, np.array([target]))[0] == pytest.approx(expected), target


@given(st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_more_is_never_reached_with_fewer_labels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels, curve = np.array([10.0, 40, 200, 4000]), rng.random((4, 50))
    low, high = np.sort(rng.random((2, 50)), axis=0)
    assert (labels_needed(labels, curve, low) <= labels_needed(labels, curve, high)).all()


def test_labels_saved_of_the_study(result: Evaluation) -> None:
    """The baseline's truth reaches .90 between 20 and 100 a class, and never .97."""
    saved = result.further["labels_saved"].set_index("budget")
    assert 40 < saved.at["5/class", "needed"] < 200
    assert (
        saved.at["5/class", "needed_low"]
        <= saved.at["5/class", "needed"]
        <= saved.at["5/class", "needed_high"]
    )
    assert saved.at["5/class", "times"] == pytest.approx(saved.at["5/class", "needed"] / 10)
    assert np.isinf(saved.at["100/class", "needed"])
    assert (saved["most"] == 200).all()


def test_calibration_line_equals_logistic_regression() -> None:
    rng = np.random.default_rng(0)
    logit = rng.normal(size=500) * 2
    truth = rng.random(500) < special.expit(0.5 + 0.6 * logit)
    weights = np.ones((500, 3))
    weights[:, 1] = rng.integers(0, 3, size=500)
    intercept, slope = calibration_line(truth, special.expit(logit), weights)
    fits = [
        LogisticRegression(C=np.inf, tol=1e-10)
        .fit(logit[:, None], truth, sample_weight=weights[:, i])
        .coef_[0, 0]
        for i in range(2)
    ]
    assert slope[[0, 2]] == pytest.approx(fits[0], abs=1e-5)
    assert slope[1] == pytest.approx(fits[1], abs=0.02), "one step from the fit on all"
    assert (truth - special.expit(logit + intercept[0])).sum() == pytest.approx(0, abs=1e-6)


def test_calibration_of_known_distortions() -> None:
    rng = np.random.default_rng(1)
    logit = rng.normal(size=40_000)
    truth, ones = rng.random(40_000) < special.expit(logit), np.ones((40_000, 1))
    for stretch, shift in ((1.0, 0.0), (2.0, 0.0), (1.0, -1.0)):
        intercept, slope = calibration_line(truth, special.expit(stretch * logit + shift), ones)
        assert slope[0] == pytest.approx(1 / stretch, abs=0.05)
        if stretch == 1:
            assert intercept[0] == pytest.approx(-shift, abs=0.05)


def test_separated_classes_have_no_line() -> None:
    truth = np.arange(40) < 20
    _, slope = calibration_line(truth, np.where(truth, 0.9, 0.1), np.ones((40, 2)))
    assert np.isnan(slope).all()


def test_wilson_and_predictive_values() -> None:
    # Newcombe 1998, table I: 81 of 263 gives .2553 to .3662; 0 of 20 gives 0 to .1611.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson(0, 0) == (0.0, 1.0)
    precision, npv = predictive_values(np.array([0.9, 0.0]), np.array([0.8, 1.0]), 0.1)
    assert precision.tolist() == pytest.approx([0.09 / 0.27, 0.0])
    assert npv.tolist() == pytest.approx([0.72 / 0.73, 0.9])


def test_single_seeds_have_wilson_intervals(result: Evaluation) -> None:
    row = result.operating.iloc[0]
    assert (row["recall_low"], row["recall_high"]) == wilson(row["tp"], row["tp"] + row["fn"])
    assert (result.operating["npv_low"] <= result.operating["npv"]).all()


def test_prevalence_moves_precision(result: Evaluation) -> None:
    table = result.further["at_prevalence"].set_index(["arm", "budget"])
    plain = result.arms[result.arms["metric"] == "precision"].set_index(["arm", "budget"])
    row = table.loc[("simclr-probe", "5/class")]
    assert row["precision"] < plain.at[("simclr-probe", "5/class"), "value"], (
        "fewer are ill than in the test set"
    )
    assert row["precision_low"] < row["precision"] < row["precision_high"]


def test_net_benefit_by_hand() -> None:
    truth = np.array([1, 1, 0, 0], dtype=bool)
    benefit = net_benefit(truth, np.array([0.9, 0.3, 0.6, 0.1]), np.ones((4, 1)))[:, 0]
    at = {round(float(threshold), 2): value for threshold, value in zip(THRESHOLDS, benefit, strict=True)}
    assert at[0.5] == pytest.approx(1 / 4 - 1 / 4)
    assert at[0.2] == pytest.approx(2 / 4 - 1 / 4 * 0.25)
    assert at[0.8] == pytest.approx(1 / 4)


def test_decision_curves_beat_the_defaults_where_the_model_is_good(result: Evaluation) -> None:
    curves = result.further["decision_curves"]
    good = curves[(curves["arm"] == "simclr-probe") & (curves["budget"] == "100/class")].set_index(
        "threshold"
    )
    assert good.at[0.5, "net_benefit"] > max(good.at[0.5, "treat_all"], 0) + 0.2
    assert good.at[0.5, "low"] < good.at[0.5, "net_benefit"] < good.at[0.5, "high"]
    assert good.at[0.05, "net_benefit"] == pytest.approx(good.at[0.05, "treat_all"], abs=0.02)


def test_robustness_falls_with_severity(result: Evaluation) -> None:
    table = result.further["robustness"].set_index("severity")
    assert table.index.tolist() == [1, 3, 5]
    assert table["value"].is_monotonic_decreasing
    assert table.at[5, "change_high"] < 0
    clean = result.arms.set_index(["arm", "budget", "metric"]).at[
        ("simclr-probe", "20/class", "auroc"), "value"
    ]
    assert (table["value"] - table["change"]).tolist() == pytest.approx([clean] * 3)
    assert "simclr-probe@noise-1" not in set(result.arms["arm"])


def test_subgroups_find_the_group_that_fares_worse(result: Evaluation) -> None:
    board = result.resampled.panel
    rows = list(board.rows("simclr-probe", "5/class").values())
    wrong = ((board.probability[rows].mean(axis=0) >= 0.5) != board.truth) | (
        np.arange(len(board.truth)) % 4 == 0
    )
    groups = pd.DataFrame({"scan": board.scan, "scanner": np.where(wrong, "old", "new")})
    groups["age"] = np.arange(len(groups)) % 80 + 7
    groups["rare"] = np.where(np.arange(len(groups)) < 6, "yes", "no")
    groups["unknown"] = None
    found = subgroups(result.resampled, groups, "simclr-probe", "5/class").set_index(["variable", "group"])
    assert found.at[("scanner", "old"), "auroc_gap_high"] < 0 < found.at[("scanner", "new"), "auroc_gap_low"]
    assert found.loc["rare"]["suppressed"].all(), "six patients, and those who could be told by subtraction"
    assert found.loc["rare"]["auroc"].isna().all()
    assert found.loc["rare"]["prevalence"].isna().all(), (
        "the share of positives in a group of one is a diagnosis"
    )
    assert len(found.loc["age"]) == 4
    assert found.loc["age"].index.tolist()[0] == "7 to 25", "numbers are in order, not names"
    assert "unknown" not in found.index.get_level_values("variable")
    assert found.loc["scanner"]["patients"].sum() == 300


def test_groups_must_name_each_scan_once(result: Evaluation) -> None:
    for groups in (pd.DataFrame({"sex": ["F"]}), pd.DataFrame({"scan": ["a", "a"], "sex": ["F", "M"]})):
        with pytest.raises(UsageError, match="names each scan once"):
            subgroups(result.resampled, groups, "simclr-probe", "5/class")


def test_sites_are_subgroups_of_themselves() -> None:
    table = study(CURVES, patients=120)
    table["site"] = np.where(table["patient"].str[-1].isin(list("02468")), "north", "south")
    found = evaluate(table, draws=50).further["subgroups"]
    assert set(found["group"]) == {"north", "south"}
    assert set(found["budget"]) == {"5/class", "20/class", "100/class"}


def test_controls_warn_only_where_they_know_too_much() -> None:
    rows = [
        ("metadata-only", "all", "auroc", 0.8, 0.72, 0.87),
        ("metadata-only", "5/class", "auroc", 0.7, 0.61, 0.8),
        ("shuffled-labels", "all", "auroc", 0.62, 0.55, 0.7),
        ("supervised", "all", "auroc", 0.9, 0.85, 0.95),
    ]
    columns = ["arm", "budget", "metric", "value", "low", "high"]
    records = {arm: ArmRecord(control=True) for arm in ("metadata-only", "shuffled-labels")}
    (warning,) = control_warnings(pd.DataFrame(rows, columns=columns), records)
    assert "metadata-only" in warning
    assert "0.800 (95 % CI 0.720 to 0.870) with all labels" in warning


def test_null_studies_claim_nothing() -> None:
    equal = {"5/class": 0.8, "20/class": 0.86}
    answers = [
        evaluate(study({"simclr-probe": equal, "supervised": equal}, patients=60, rng=run), draws=60).answer
        for run in range(6)
    ]
    assert sum("did not beat the supervised baseline: no difference" in answer for answer in answers) >= 5
