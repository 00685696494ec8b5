"""Checklists are filled in where the study gives the answer."""

from __future__ import annotations

from medcl.evaluate import Evaluation
from medcl.evaluate.report.checklists import fill
from medcl.evaluate.study_record import StudyRecord
from tests.evaluate.report.samples import RECORD


def test_checklists_are_filled_where_the_run_can(result: Evaluation) -> None:
    record = StudyRecord.model_validate(RECORD)
    for name, items in (("TRIPOD+AI", 52), ("CLAIM 2024", 44)):
        filled = fill(name, record, result).set_index("id")
        assert len(filled) == items
        assert filled.index.is_unique
        assert {"filled", "open"} == set(filled["status"])
        assert not filled["answer"].str.contains(r"\{\{|None (?:scans|patients)", regex=True).any()
    assert filled.at["44", "status"] == "open", "the study does not know who paid"
    assert "60 patients" in filled.at["35", "answer"]
