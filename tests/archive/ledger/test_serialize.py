"""Outcomes as text and back, without executing anything."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from medcl.archive.ledger import serialize
from medcl.archive.ledger.examine import examine_all
from medcl.archive.storage.walk import check_roots, walk
from medcl.testing.phantom import files, series
from tests.archive.samples import mixed_archive


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    mixed_archive(folder)
    for name, content in files(series()[:3]).items():
        (folder / name).write_bytes(content)
        (folder / f"{name}.gz").write_bytes(gzip.compress(content))
    (folder / "a.json").write_text(json.dumps({"Modality": "MR", "PatientID": "x"}))
    return folder


def test_every_outcome_comes_back_as_it_was(folder: Path) -> None:
    entries = list(walk(check_roots([folder])))
    outcomes = [outcome for outcomes in examine_all(entries) for outcome in outcomes]
    assert {outcome.state for outcome in outcomes} == {"used", "dropped", "quarantined"}
    assert any(outcome.header for outcome in outcomes)
    assert any(outcome.scans for outcome in outcomes)
    for outcome in outcomes:
        text = serialize.encode(outcome)
        assert serialize.decode(text, outcome.entry) == outcome
        json.loads(text)


def test_values_that_are_defaults_are_not_written(folder: Path) -> None:
    entry = next(entry for entry in walk(check_roots([folder])) if entry.path.endswith("empty"))
    ((outcome,),) = examine_all([entry])
    assert len(serialize.encode(outcome)) < 120


def test_slices_of_a_series_share_their_attributes_when_decoded(folder: Path) -> None:
    entries = [entry for entry in walk(check_roots([folder])) if Path(entry.path).name.isdigit()]
    texts = [serialize.encode(outcome) for (outcome,) in examine_all(entries)]
    headers = [serialize.decode(text, entry).header for text, entry in zip(texts, entries, strict=True)]
    assert len({id(header.shared) for header in headers if header is not None}) == 1


def test_a_record_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(KeyError, match="Popen"):
        serialize._from_plain({"Popen": {"args": "true"}})
