"""Draws move patients whole; BCa equals scipy's; intervals over seeds cover the truth (fast simulation)."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import stats

from medcl.errors import UsageError
from medcl.statistics.bootstrap import Resampler, Sample, draw_patients, over_seeds


def _resampler(patients: int = 40, scans: int = 3, draws: int = 500) -> Resampler:
    patient = np.repeat(np.arange(patients), scans)
    return draw_patients(patient, patient % 2 == 0, draws)


def test_scans_of_a_patient_move_together() -> None:
    resampler = _resampler()
    by_scan = resampler.apply(lambda weights: weights)
    assert by_scan.shape == (120, 500)
    np.testing.assert_array_equal(by_scan[0::3], by_scan[1::3])
    np.testing.assert_array_equal(by_scan[0::3], by_scan[2::3])
    assert (by_scan[0::3].sum(axis=0) == 40).all(), "each draw holds as many patients as there are"


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    resampler = _resampler()
    whole = resampler.apply(lambda weights: weights.sum(axis=0))
    monkeypatch.setattr("medcl.statistics.bootstrap.CHUNK", 1000)
    np.testing.assert_array_equal(resampler.apply(lambda weights: weights.sum(axis=0)), whole)


def test_jackknife_leaves_each_patient_out_once() -> None:
    resampler = _resampler(patients=7, scans=2)
    weights = resampler.jackknife(lambda weights: weights)
    assert weights.shape == (14, 7)
    assert (weights.sum(axis=0) == 12).all()
    assert (weights.sum(axis=1) == 6).all()


def test_many_patients_are_left_out_in_groups() -> None:
    patient = np.arange(2500)
    weights = draw_patients(patient, patient % 2 == 0, 10).jackknife(lambda weights: weights)
    assert weights.shape == (2500, 1000)
    assert (weights.sum(axis=1) == 999).all()


def test_draws_of_one_class_are_redrawn_and_counted() -> None:
    truth = np.arange(30) == 0
    resampler = draw_patients(np.arange(30), truth, 1000)
    assert (resampler.counts[0] > 0).all()
    # A draw misses the only positive patient with probability (1 - 1/30) ** 30 = .36.
    assert 400 < resampler.redrawn < 720
    with pytest.raises(UsageError, match="a class is missing"):
        draw_patients(np.arange(5), np.ones(5, dtype=bool), 10)


def test_bca_equals_scipy() -> None:
    rng = np.random.default_rng(0)
    data = rng.exponential(size=80)
    resampler = draw_patients(np.arange(80), np.arange(80) % 2 == 0, 20_000)

    def variance(weights: np.ndarray) -> np.ndarray:
        mean = data @ weights / weights.sum(axis=0)
        return data**2 @ weights / weights.sum(axis=0) - mean**2

    sample = Sample(float(np.var(data)), resampler.apply(variance), resampler.jackknife(variance), np.inf)
    expected = stats.bootstrap((data,), np.var, n_resamples=20_000, method="BCa", rng=rng).confidence_interval
    assert sample.interval() == pytest.approx((expected.low, expected.high), rel=0.02)


def test_interval_and_p_value_of_no_spread() -> None:
    sample = Sample(1.0, np.ones(100), np.ones(10), np.inf)
    assert sample.constant
    assert sample.interval() == (1.0, 1.0)
    assert (sample.p_value(1.0), sample.p_value(0.0)) == (1.0, 0.0)


def test_draws_without_the_metric_are_left_out() -> None:
    draws = np.random.default_rng(0).normal(size=2000)
    holed = np.where(np.arange(2000) % 50 == 0, np.nan, draws)
    left_out = np.random.default_rng(1).normal(size=30)
    whole, some = (Sample(0.0, given, left_out, np.inf).interval() for given in (draws, holed))
    assert some == pytest.approx(whole, abs=0.1)
    assert np.isnan(Sample(np.nan, holed, left_out, np.inf).interval()).all()


@pytest.mark.parametrize("of_seed", [0.0, 1.0, 3.0])
def test_intervals_over_seeds_cover_the_truth(of_seed: float) -> None:
    """The metric is a mean over 60 patients plus a seed's own effect and its own noise for each patient."""
    rng = np.random.default_rng(int(of_seed))
    hits = []
    for run in range(300):
        shared = rng.normal(size=60)
        values = shared + of_seed * rng.normal(size=(5, 1)) / np.sqrt(12) + rng.normal(size=(5, 60))
        resampler = draw_patients(np.arange(60), np.arange(60) % 2 == 0, 400, seed=run)
        draws, left_out = (
            repeat(lambda weights, values=values: values @ weights / weights.sum(axis=0))
            for repeat in (resampler.apply, resampler.jackknife)
        )
        low, high = over_seeds(values.mean(axis=1), draws, left_out, resampler).interval()
        hits.append(low <= 0 <= high)
    assert 0.92 <= np.mean(hits) <= 0.985


def test_more_seeds_narrow_the_interval() -> None:
    rng = np.random.default_rng(0)
    resampler = _resampler()
    widths = []
    for seeds in (5, 10, 40):
        values = rng.normal(size=seeds)
        values = (values - values.mean()) / values.std(ddof=1)
        draws, left_out = np.repeat(values[:, None], 500, axis=1), np.repeat(values[:, None], 40, axis=1)
        low, high = over_seeds(values, draws, left_out, resampler).interval()
        widths.append(high - low)
    assert widths[0] > widths[1] > widths[2] > 0.4


def test_intervals_stay_within_the_range_of_the_metric() -> None:
    """Three seeds of which one calls nobody, one everybody: shares near 0 and 1."""
    resampler = _resampler(patients=30, scans=1)
    chance = np.array([0.02, 0.5, 0.98])
    called = np.random.default_rng(0).random((3, 30)) < chance[:, None]
    draws, left_out = (
        repeat(lambda weights: called @ weights / weights.sum(axis=0))
        for repeat in (resampler.apply, resampler.jackknife)
    )
    low, high = over_seeds(called.mean(axis=1), draws, left_out, resampler).interval()
    assert 0 <= low < 0.4
    assert 0.6 < high <= 1


def test_draws_in_which_a_metric_does_not_exist_leave_the_seeds_chance_in_the_interval() -> None:
    resampler = _resampler()
    generator = np.random.default_rng(0)
    values = np.array([0.6, 0.8, 0.9])
    draws = values[:, None] + generator.normal(0, 0.01, (3, 500))
    left_out = np.repeat(values[:, None], 40, axis=1) + generator.normal(0, 0.001, (3, 40))
    whole = over_seeds(values, draws, left_out, resampler)
    holed = draws.copy()
    holed[:, ::50] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        some = over_seeds(values, holed, left_out, resampler)
    assert some.freedom == pytest.approx(whole.freedom, rel=0.01)
    assert np.nanstd(some.draws) == pytest.approx(np.std(whole.draws), rel=0.05)
    assert np.nanstd(some.draws) > 5 * np.std(draws.mean(axis=0))
