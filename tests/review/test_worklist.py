"""Order and disagreement of the worklist, against plain arithmetic."""

from __future__ import annotations

import pytest

from medcl.review.study import Study, load_study
from medcl.review.worklist import select_cases, worklist
from tests.review import fake_study

CELL = ("simclr-probe", "5/class", 1)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return load_study(fake_study.write_study(tmp_path_factory.mktemp("study")))


def test_selection_keeps_the_outcome_and_sorts(study: Study) -> None:
    cases = worklist(study, CELL, 0.4)
    missed = select_cases(cases, "FN", "", "Lowest probability first")
    assert set(missed["outcome"]) == {"FN"}
    assert (missed["probability"] < 0.4).all()
    assert missed["probability"].is_monotonic_increasing
    uncertain = select_cases(cases, "", "abnormal", "Most uncertain first")
    assert set(uncertain["truth"]) == {"abnormal"}
    assert uncertain["margin"].is_monotonic_increasing
    assert len(select_cases(cases, "", "", "By name")) == len(study.panel.scan)


def test_disagreement_is_the_range_of_the_arms_means_without_controls(study: Study) -> None:
    table = fake_study.predictions()
    rows = table[(table["scan"] == study.panel.scan[3]) & (table["budget"] == "5/class")]
    means = rows[rows["arm"] != "random-probe"].groupby("arm")["probability"].mean()
    disagreement = worklist(study, CELL, 0.5)["disagreement"].iloc[3]
    assert disagreement == pytest.approx(means.max() - means.min())
