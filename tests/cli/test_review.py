"""`medcl review` passes its folders on, and `medcl demo` says where to look."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.cli.in_process import error_line, medcl


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """Arguments with which the app was served; it ends with code 3."""
    calls: list[tuple[object, ...]] = []

    def serve(*args: object) -> int:
        calls.append(args)
        return 3

    monkeypatch.setattr("medcl.review.launch.serve", serve)
    return calls


def test_review_uses_the_study_s_own_store_unless_another_is_named(
    tmp_path: Path, served: list[tuple[object, ...]]
) -> None:
    study, own = tmp_path / "study", tmp_path / "study" / "store"
    assert medcl("review", study).code == 3
    own.mkdir(parents=True)
    medcl("review", study, "--port", 8123)
    medcl("review", study, "--store", tmp_path)
    assert served == [(study, None, None), (study, own, 8123), (study, tmp_path, None)]


def test_review_needs_a_study(tmp_path: Path) -> None:
    pytest.importorskip("streamlit")
    ended = medcl("review", tmp_path)
    assert ended.code == 2
    assert error_line(ended) == f"{tmp_path}: no study; name a folder that 'medcl study' wrote"


def test_the_demo_names_its_report_and_the_next_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("medcl.demo.run.run_demo", lambda _: SimpleNamespace(answer="No difference."))
    report = tmp_path / "study" / "report.html"
    lines = medcl("demo", "-o", tmp_path).out.splitlines()
    assert lines == [
        "(synthetic patients) No difference.",
        f"report: {report}",
        f"review the cases with: medcl review {tmp_path / 'study'}",
    ]
    result = json.loads(medcl("demo", "-o", tmp_path, "--json").out)
    assert result == {"answer": "No difference.", "report": str(report)}
