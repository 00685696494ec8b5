"""Sections beyond the main table: which there are, and what their rows say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from medcl.evaluate import Evaluation, evaluate
from medcl.evaluate.analyses.subgroups import MIN_PATIENTS
from medcl.evaluate.report.sections import Section, analysis_sections
from medcl.testing.simulated_study import study

ARMS = {"byol": {"5/class": 0.9, "20/class": 0.95}, "supervised": {"5/class": 0.8, "20/class": 0.88}}


@pytest.fixture(scope="module")
def evaluated() -> Evaluation:
    table = study(ARMS, patients=60, seeds=2)
    noisy = table[(table["arm"] == "byol") & (table["split"] == "test")].assign(arm="byol@noise-1")
    return evaluate(pd.concat([table, noisy], ignore_index=True), draws=30, prevalence=0.1)


@pytest.fixture(scope="module")
def sections(evaluated: Evaluation) -> dict[str, Section]:
    return {section.title: section for section in analysis_sections(evaluated)}


def test_every_analysis_has_a_section_whose_rows_have_one_heading(sections: dict[str, Section]) -> None:
    assert list(sections) == [
        "Label efficiency",
        "Operating points",
        "Tests of single seeds",
        "Calibration",
        "At a prevalence of 10.0 %",
        "Decision curve analysis",
        "Robustness",
    ]
    for section in sections.values():
        assert section.text.endswith(".")
        assert len({tuple(row) for row in section.rows}) <= 1
        assert all(isinstance(text, str) for row in section.rows for text in row.values())
    assert sections["Decision curve analysis"].figure == "decision_curve"
    assert sections["Robustness"].figure == "robustness"


def test_an_analysis_without_rows_has_no_section(evaluated: Evaluation) -> None:
    empty = {name: table.iloc[:0] for name, table in evaluated.analyses.items()}
    titles = [section.title for section in analysis_sections(replace(evaluated, analyses=empty))]
    assert titles == ["Operating points", "Decision curve analysis"]


@pytest.mark.parametrize(
    ("needed", "text", "ratio"),
    [
        (40.0, "40", "4.0 times"),
        (np.inf, "over 400", "over 40.0 times"),
        (10.0, "at most 10", "at most 1.0 times"),
    ],
)
def test_labels_beyond_what_was_measured_are_bounds(
    evaluated: Evaluation, needed: float, text: str, ratio: str
) -> None:
    row = {"budget": "5/class", "labels": 10, "needed": needed, "needed_low": 10, "needed_high": np.inf}
    table = pd.DataFrame([row | {"least": 10, "most": 400}])
    result = replace(evaluated, analyses=evaluated.analyses | {"labels_saved": table})
    (first,) = analysis_sections(result)[0].rows
    assert first == {
        "Budget": "5 labels per class",
        "Labels": "10",
        "Labels that supervised needs": text,
        "95 % interval": "at most 10 to over 400",
        "Ratio": ratio,
    }


def test_operating_points_are_of_the_primary_arms_at_each_budget(
    sections: dict[str, Section], evaluated: Evaluation
) -> None:
    rows = sections["Operating points"].rows
    assert len(rows) == 2 * 2 * evaluated.operating["rule"].nunique()
    assert {row["Arm"] for row in rows} == {"byol", "supervised"}
    counts = [int(n) for n in rows[0]["TP / FP / FN / TN"].split(" / ")]
    assert sum(counts) == pytest.approx(60, abs=1)


def test_small_groups_are_withheld_and_gaps_have_signs(evaluated: Evaluation) -> None:
    values = {"variable": "sex", "budget": "5/class", "scans": 30, "patients": 30, "prevalence": 0.5}
    numbers = {
        f"{name}{part}": 0.25
        for name in ("auroc", "recall", "specificity", "precision", "f1", "average_precision", "brier", "ece")
        for part in ("", "_gap", "_gap_low", "_gap_high")
    }
    rows = [
        values | numbers | {"group": "F", "suppressed": False},
        values | numbers | {"group": "M", "suppressed": True},
    ]
    result = replace(evaluated, analyses=evaluated.analyses | {"subgroups": pd.DataFrame(rows)})
    section = {section.title: section for section in analysis_sections(result)}["Subgroups"]
    shown, withheld = section.rows
    assert shown["Group"] == "sex: F"
    assert shown["Scans / patients"] == "30 / 30"
    assert "+0.25 (0.25 to 0.25)" in shown.values()
    assert withheld["Scans / patients"] == "few"
    assert list(withheld.values()).count("withheld") == 1
    assert "0.25" not in "".join(withheld.values())
    assert f"fewer than {MIN_PATIENTS} patients of a class" in section.text
