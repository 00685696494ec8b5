"""Every metric on every draw, and differences that are paired by seed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from medcl.evaluate.analyses.resampling import Resampled, resample
from medcl.evaluate.predictions import make_panel
from medcl.statistics import METRICS
from medcl.testing.simulated_study import study

ARMS = {"byol": {"all": 0.9}, "supervised": {"all": 0.8}}
AUROC = list(METRICS).index("auroc")


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return study(ARMS, seeds=3, patients=60)


@pytest.fixture(scope="module")
def resampled(table: pd.DataFrame) -> Resampled:
    return resample(table, make_panel(table), draws=40, seed=0)


def test_values_are_those_of_the_test_set_and_draws_lie_round_them(resampled: Resampled) -> None:
    panel = resampled.panel
    assert resampled.values.shape == (6, len(METRICS))
    assert resampled.draws.shape == (6, len(METRICS), 40)
    assert resampled.left_out.shape == (6, len(METRICS), 60)
    for row in range(6):
        auroc = roc_auc_score(panel.truth, panel.probability[row])
        assert resampled.values[row, AUROC] == pytest.approx(auroc)
    assert (np.abs(resampled.draws[:, AUROC].mean(axis=1) - resampled.values[:, AUROC]) < 0.03).all()


def test_a_mean_is_over_the_seeds_of_its_arm(resampled: Resampled) -> None:
    rows = list(resampled.panel.rows("byol", "all").values())
    sample = resampled.mean("byol", "all", "auroc")
    assert sample.value == pytest.approx(resampled.values[rows, AUROC].mean())


def test_a_difference_is_of_the_seeds_that_both_arms_have(table: pd.DataFrame) -> None:
    fewer = table[(table["arm"] != "byol") | (table["seed"] > 0)]
    resampled = resample(fewer, make_panel(fewer), draws=20, seed=0)
    result = resampled.difference("byol", "supervised", "all", "auroc")
    assert result is not None
    sample, seeds = result
    one, two = (resampled.panel.rows(arm, "all") for arm in ("byol", "supervised"))
    expected = [resampled.values[one[seed], AUROC] - resampled.values[two[seed], AUROC] for seed in (1, 2)]
    assert (seeds, sample.value) == (2, pytest.approx(np.mean(expected)))
    none = table[(table["arm"] == "byol") == (table["seed"] == 0)]
    apart = resample(none, make_panel(none), draws=5, seed=0)
    assert apart.difference("byol", "supervised", "all", "auroc") is None


def test_draws_depend_on_the_seed_of_the_bootstrap_alone(table: pd.DataFrame, resampled: Resampled) -> None:
    again, other = (resample(table, make_panel(table), draws=40, seed=seed) for seed in (0, 1))
    np.testing.assert_array_equal(again.draws, resampled.draws)
    assert not np.array_equal(other.draws, resampled.draws)


def test_any_statistic_has_a_sample_per_value(resampled: Resampled) -> None:
    rows = list(resampled.panel.rows("byol", "all").values())
    truth = resampled.panel.truth

    def share(row: int, weights: np.ndarray) -> np.ndarray:
        positives = (truth[:, None] * weights).sum(axis=0) / weights.sum(axis=0)
        return np.stack([positives, 1 - positives])

    positive, negative = resampled.samples(rows, share)
    assert positive.value == pytest.approx(truth.mean())
    assert negative.value == pytest.approx(1 - truth.mean())
