"""The demo: a new folder, the shipped study, and the cohort that it is about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from medcl.demo import run
from medcl.errors import UsageError


def test_the_shipped_study_is_run_on_a_cohort_written_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(run, "write_cohort", lambda folder: folder)
    monkeypatch.setattr(run, "run_study", lambda config, out: calls.append((config, out)) or "evaluation")
    out = tmp_path / "demo"
    assert run.run_demo(out) == "evaluation"
    ((config, study),) = calls
    assert study == out / "study"
    assert config.archive == (str(out / "cohort" / "archive"),)
    assert config.labels == str(out / "cohort" / "labels.csv")


def test_a_folder_in_use_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(UsageError, match="already exists; name a new folder for the demo"):
        run.run_demo(tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
