"""Simulated studies have the truth that they promise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from medcl.evaluate import check_predictions
from medcl.testing.simulated_study import expected_auroc, study


def test_a_study_is_a_valid_predictions_table() -> None:
    table = study({"a": {"all": 0.9}}, seeds=2, patients=30, scans_per_patient=2, prevalence=0.2)
    check_predictions(table)
    test = table[(table["split"] == "test") & (table["seed"] == 0)]
    assert len(test) == 60
    assert test.groupby("patient")["truth"].nunique().max() == 1
    assert test["truth"].mean() == pytest.approx(0.2)
    assert len(table[table["split"] == "val"]) == 2 * 40


def test_the_auroc_is_the_stated_one() -> None:
    table = study({"a": {"5/class": 0.75, "all": 0.95}}, seeds=4, patients=3000, between_seeds=0.0)
    test = table[table["split"] == "test"]
    for budget, auroc in (("5/class", 0.75), ("all", 0.95)):
        cells = test[test["budget"] == budget].groupby("seed")
        values = [roc_auc_score(cell["truth"], cell["probability"]) for _, cell in cells]
        assert np.mean(values) == pytest.approx(auroc, abs=0.012)


@pytest.mark.parametrize("auroc", [0.5, 0.7, 0.9, 0.99])
def test_spread_between_seeds_pulls_the_expected_auroc_towards_chance(auroc: float) -> None:
    assert expected_auroc(auroc, 0.0) == pytest.approx(auroc)
    generator = np.random.default_rng(0)
    separations = stats.norm.ppf(auroc) * np.sqrt(2) + 0.8 * generator.normal(size=200_000)
    simulated = stats.norm.cdf(separations / np.sqrt(2)).mean()
    assert expected_auroc(auroc, 0.8) == pytest.approx(simulated, abs=3e-3)


def test_arms_share_the_difficulty_of_scans() -> None:
    table = study({"a": {"all": 0.8}, "b": {"all": 0.8}}, seeds=1, patients=2000, shared=0.6)
    test = table[(table["split"] == "test") & (table["truth"] == 1)]
    logits = np.log(test["probability"] / (1 - test["probability"]))
    one, two = (logits[test["arm"] == arm].to_numpy() for arm in ("a", "b"))
    assert np.corrcoef(one, two)[0, 1] == pytest.approx(0.6, abs=0.05)


def test_the_same_seed_gives_the_same_study() -> None:
    assert study(patients=20, seeds=1).equals(study(patients=20, seeds=1))
    assert not study(patients=20, seeds=1).equals(study(patients=20, seeds=1, rng=1))
