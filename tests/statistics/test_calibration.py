"""Calibration lines against logistic regression, intervals and predictive values against known ones."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special
from sklearn.linear_model import LogisticRegression

from medcl.statistics.calibration import calibration_line, predictive_values, wilson


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
