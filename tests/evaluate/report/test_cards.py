"""Cards escape what comes from the study."""

from __future__ import annotations

from medcl.evaluate import Evaluation
from medcl.evaluate.report.cards import data_card, model_card
from medcl.evaluate.study_record import StudyRecord
from tests.evaluate.report.samples import ATTACK, RECORD


def test_cards_escape_too(result: Evaluation) -> None:
    record = StudyRecord.model_validate(RECORD | {"title": f"# {ATTACK} [x](y)", "notes": ["a\n# b"]})
    for card in (model_card(record, result), data_card(record, result)):
        assert "\\<script\\>" in card
        assert "\n# b" not in card
        assert "None" not in card
