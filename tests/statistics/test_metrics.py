"""Every metric against scikit-learn, weighted and with ties; known values; vectorized equals one by one."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from medcl.errors import UsageError
from medcl.statistics.metrics import METRICS, compute_metrics, counts, likelihood_ratios, mass_bins, rates


@st.composite
def weighted_predictions(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    n = draw(st.integers(4, 60))
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    levels = draw(st.sampled_from([2, 5, 20, 10_000]))  # few levels make many ties
    truth = rng.random(n) < draw(st.sampled_from([0.1, 0.5, 0.8]))
    truth[:2] = [True, False]
    weights = rng.integers(0, 4, size=n).astype(float)
    weights[:2] = 1
    return (
        truth,
        rng.integers(0, levels + 1, size=n) / levels,
        weights,
        draw(st.sampled_from([0.0, 0.3, 0.5, 1.0])),
    )


@given(weighted_predictions())
@settings(max_examples=60, deadline=None)
def test_equal_scikit_learn(case: tuple[np.ndarray, np.ndarray, np.ndarray, float]) -> None:
    truth, probability, weights, threshold = case
    values = {
        name: value[0]
        for name, value in compute_metrics(truth, probability, threshold, weights[:, None]).items()
    }
    called = probability >= threshold
    common = {"sample_weight": weights}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = {
            "auroc": sk.roc_auc_score(truth, probability, **common),
            "average_precision": sk.average_precision_score(truth, probability, **common),
            "precision": sk.precision_score(truth, called, zero_division=0, **common),
            "recall": sk.recall_score(truth, called, zero_division=0, **common),
            "specificity": sk.recall_score(truth, called, pos_label=0, zero_division=0, **common),
            "npv": sk.precision_score(truth, called, pos_label=0, zero_division=0, **common),
            "f1": sk.f1_score(truth, called, zero_division=0, **common),
            "balanced_accuracy": sk.balanced_accuracy_score(truth, called, **common),
            "mcc": sk.matthews_corrcoef(truth, called, **common),
            "brier": sk.brier_score_loss(truth, probability, **common),
        }
    for name, value in expected.items():
        assert values[name] == pytest.approx(value, abs=1e-12), name


def test_many_weightings_equal_one_by_one() -> None:
    rng = np.random.default_rng(0)
    truth, probability = rng.random(50) < 0.4, rng.random(50).round(1)
    weights = rng.integers(0, 3, size=(50, 7)).astype(float)
    together = compute_metrics(truth, probability, 0.4, weights)
    assert list(together) == list(METRICS)
    for draw in range(7):
        alone = compute_metrics(truth, probability, 0.4, weights[:, [draw]])
        repeated = np.repeat(np.arange(50), weights[:, draw].astype(int))
        copied = compute_metrics(truth[repeated], probability[repeated], 0.4)
        for name in METRICS:
            assert together[name][draw] == pytest.approx(alone[name][0], abs=1e-12)
            if name != "ece":  # its bins are those of the unweighted scans
                assert together[name][draw] == pytest.approx(copied[name][0], abs=1e-12)


def test_known_confusion() -> None:
    truth = np.array([1, 1, 1, 0, 0, 0, 0, 0], dtype=bool)
    values = compute_metrics(truth, np.array([0.9, 0.8, 0.2, 0.7, 0.3, 0.2, 0.1, 0.1]), 0.5)
    assert values["precision"][0] == pytest.approx(2 / 3)
    assert values["recall"][0] == pytest.approx(2 / 3)
    assert values["specificity"][0] == pytest.approx(4 / 5)
    assert values["npv"][0] == pytest.approx(4 / 5)
    assert likelihood_ratios({"recall": 2 / 3, "specificity": 0.8}) == pytest.approx((10 / 3, 5 / 12))
    assert likelihood_ratios({"recall": 0.5, "specificity": 1.0})[0] == np.inf


def test_calibration_error() -> None:
    perfect = np.repeat([0.0, 0.25, 0.75, 1.0], 40)
    truth = np.concatenate([np.arange(40) < share * 40 for share in (0.0, 0.25, 0.75, 1.0)])
    assert compute_metrics(truth, perfect, 0.5)["ece"][0] == pytest.approx(0.0, abs=1e-12)
    sure = np.full(160, 0.9)
    assert compute_metrics(truth, sure, 0.5)["ece"][0] == pytest.approx(0.4, abs=1e-12)


def test_bins_hold_equal_mass() -> None:
    bins = mass_bins(np.random.default_rng(0).random(1000))
    assert np.bincount(bins).tolist() == [100] * 10
    assert len(set(mass_bins(np.full(30, 0.3)))) == 1


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(UsageError, match="same scans"):
        compute_metrics(np.array([True, False]), np.array([0.5]), 0.5)


def test_every_metric_has_one_way_to_be_computed_and_a_direction() -> None:
    for name, metric in METRICS.items():
        assert metric.name == name
        assert (metric.compute is None) != (metric.ratio is None)
    assert {name for name, metric in METRICS.items() if not metric.higher_is_better} == {"brier", "ece"}


def test_empty_ratios_are_zero_or_as_asked() -> None:
    confusion = counts(np.array([True, False]), np.array([False, False]))
    assert rates(confusion)["precision"][0] == 0
    assert np.isnan(rates(confusion, empty=np.nan)["precision"][0])
    assert rates(confusion, empty=np.nan)["recall"][0] == 0
