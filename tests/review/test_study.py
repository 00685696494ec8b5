"""A study as the app reads it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from medcl.evaluate import write_report
from medcl.review.study import fingerprint, load_study
from tests.review import fake_study


def test_the_studys_own_tables_are_used(tmp_path: Path) -> None:
    folder = fake_study.write_study(tmp_path)
    result = write_report(folder, draws=100)
    read = load_study(folder)
    assert read.answer == result.answer
    pd.testing.assert_frame_equal(read.arms, result.arms, check_dtype=False)


def test_a_rewritten_study_has_another_fingerprint(tmp_path: Path) -> None:
    folder = fake_study.write_study(tmp_path)
    before = fingerprint(folder)
    assert fingerprint(folder) == before
    fake_study.write_study(folder, title="Another title")
    assert fingerprint(folder) != before


def test_controls_and_descriptions_come_from_the_record(tmp_path: Path) -> None:
    study = load_study(fake_study.write_study(tmp_path))
    assert study.controls == ["random-probe"]
    assert study.description("random-probe") == "linear probe on a random encoder"
    assert study.description("supervised") == ""
    assert study.first_budget == "5/class"
