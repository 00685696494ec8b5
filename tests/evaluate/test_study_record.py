"""Records are written and read by the same class, which refuses what it does not know."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from medcl.errors import UsageError
from medcl.evaluate import (
    ArmRecord,
    Primary,
    StudyRecord,
    TissuePrimary,
    TissueRecord,
    read_record,
    write_record,
)
from medcl.files import read_json, write_json


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    arms = {"random-probe": ArmRecord(description="random encoder", control=True)}
    study = StudyRecord(arms=arms, labels={"all": 40}, primary=Primary(arm="simclr-probe", budgets=("all",)))
    tissue = TissueRecord(primary=TissuePrimary(arm="a", budget=2), edge_mm=9, least_mm=3, pairs=[("a", "b")])
    for record in (study, tissue):
        write_record(record, tmp_path / "study.json")
        assert read_record(tmp_path / "study.json", type(record)) == record
        assert read_json(tmp_path / "study.json")["schema_version"] == 1


def test_controls_come_from_the_record() -> None:
    study = StudyRecord(arms={"a": ArmRecord(), "b": ArmRecord(control=True)})
    assert study.controls == {"b"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"titel": "x"}, "unknown key 'titel'; did you mean 'title'?"),
        (
            {"arms": {"a": {"descripton": "x"}}},
            "unknown key 'arms.a.descripton'; did you mean 'description'?",
        ),
        ({"schema_version": 2}, "schema_version: this medcl reads version 1"),
        ({"prevalence": 2}, "prevalence"),
        ({"protocol": {"arm": "a"}}, "unknown key 'protocol'; did you mean 'primary'?"),
        ({"primary": {"arm": "a", "metric": "accuracy"}}, "primary.metric: no such metric; metrics are"),
    ],
)
def test_what_a_record_does_not_know_is_refused(
    tmp_path: Path, content: dict[str, Any], message: str
) -> None:
    write_json(content, tmp_path / "study.json")
    with pytest.raises(UsageError) as refused:
        read_record(tmp_path / "study.json", StudyRecord)
    assert message in str(refused.value)


def test_a_record_of_another_kind_is_refused(tmp_path: Path) -> None:
    write_record(StudyRecord(), tmp_path / "study.json")
    with pytest.raises(UsageError, match="not the record of a study"):
        read_record(tmp_path / "study.json", TissueRecord)
