"""Counts and rates of the results page against scikit-learn; its table and sentences."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, f1_score, precision_score, recall_score

from medcl.review.results import confusion, outcome_counts, rates_sentence, results_table, table_note
from medcl.review.study import Study, load_study
from medcl.statistics import rates
from tests.review import fake_study

CELL = ("simclr-probe", "5/class", 1)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return load_study(fake_study.write_study(tmp_path_factory.mktemp("study")))


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.77, 1.0])
def test_counts_and_rates_are_scikit_learns(study: Study, threshold: float) -> None:
    truth, called = study.panel.truth, study.probability(*CELL) >= threshold
    counts = confusion(study, CELL, threshold)
    tn, fp, fn, tp = confusion_matrix(truth, called, labels=[False, True]).ravel()
    assert outcome_counts(counts) == {"TP": tp, "FN": fn, "FP": fp, "TN": tn}
    rate = {name: value[0] for name, value in rates(counts, empty=np.nan).items()}
    if called.any():
        assert rate["precision"] == pytest.approx(precision_score(truth, called))
        assert rate["f1"] == pytest.approx(f1_score(truth, called))
        assert f"recall {rate['recall']:.3f}" in rates_sentence(counts)
    else:
        assert np.isnan(rate["precision"])
        assert "recision" not in rates_sentence(counts)
    assert rate["recall"] == pytest.approx(recall_score(truth, called))


def test_the_table_compares_with_the_baseline(study: Study) -> None:
    table = results_table(study, "5/class")
    assert table.index("<th>AUROC</th>") < table.index("<th>Difference in AUROC</th>")
    assert table.count("<tr>") == 1 + 3
    assert "baseline</span>" in table
    assert "adjusted over the budgets (Holm)" in table_note(study)
