"""Counts, rates, order and disagreement of the worklist, against plain arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, f1_score, precision_score, recall_score

from medcl.review import worklist
from medcl.review.study import Study, load_study
from tests.apps import fake_study

CELL = ("simclr-probe", "5/class", 1)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return load_study(fake_study.write_study(tmp_path_factory.mktemp("study")))


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.77, 1.0])
def test_counts_and_rates_are_scikit_learns(study: Study, threshold: float) -> None:
    truth, called = study.board.truth, study.probability(*CELL) >= threshold
    count = worklist.counts(truth, called)
    tn, fp, fn, tp = confusion_matrix(truth, called, labels=[False, True]).ravel()
    assert count == {"TP": tp, "FN": fn, "FP": fp, "TN": tn}
    rate = worklist.rates(count)
    if called.any():
        assert rate["precision"] == pytest.approx(precision_score(truth, called))
        assert rate["f1"] == pytest.approx(f1_score(truth, called))
    else:
        assert np.isnan(rate["precision"])
    assert rate["recall"] == pytest.approx(recall_score(truth, called))


def test_selection_keeps_the_outcome_and_sorts(study: Study) -> None:
    cases = worklist.table(study, CELL, 0.4)
    missed = worklist.select(cases, "FN", "", "Lowest probability first")
    assert set(missed["outcome"]) == {"FN"}
    assert (missed["probability"] < 0.4).all()
    assert missed["probability"].is_monotonic_increasing
    uncertain = worklist.select(cases, "", "abnormal", "Most uncertain first")
    assert set(uncertain["truth"]) == {"abnormal"}
    assert uncertain["margin"].is_monotonic_increasing
    assert len(worklist.select(cases, "", "", "By name")) == len(study.board.scan)


def test_disagreement_is_the_range_of_the_arms_means_without_controls(study: Study) -> None:
    table = fake_study.predictions()
    rows = table[(table["scan"] == study.board.scan[3]) & (table["budget"] == "5/class")]
    means = rows[rows["arm"] != "random-probe"].groupby("arm")["probability"].mean()
    found = worklist.table(study, CELL, 0.5)["disagreement"].iloc[3]
    assert found == pytest.approx(means.max() - means.min())
