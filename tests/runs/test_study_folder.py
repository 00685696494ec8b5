"""A study's folder resumes for its own configuration and for nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from medcl.config import Config
from medcl.errors import UsageError
from medcl.runs.study_folder import LOCK_FILE, check_study_folder, is_started, start_study


class Small(Config):
    seeds: tuple[int, ...] = (0,)


def test_a_started_study_resumes_with_its_own_configuration_only(tmp_path: Path) -> None:
    assert not is_started(tmp_path)
    start_study(tmp_path, Small(seeds=(1, 2)))
    assert is_started(tmp_path)
    (tmp_path / "anything").touch()
    check_study_folder(tmp_path, Small(seeds=(1, 2)))
    with pytest.raises(UsageError) as caught:
        check_study_folder(tmp_path, Small(seeds=(1,)))
    assert (
        str(caught.value) == f"{tmp_path} holds another study, with another configuration; name a new folder"
    )


def test_a_study_starts_in_an_absent_or_empty_folder(tmp_path: Path) -> None:
    check_study_folder(tmp_path / "new", Small())
    check_study_folder(tmp_path, Small())
    assert not (tmp_path / "new").exists()
    (tmp_path / LOCK_FILE).touch()
    (tmp_path / "store").mkdir()
    check_study_folder(tmp_path, Small(), allowed=["store"])
    with pytest.raises(UsageError, match="holds something other than a study; name a new folder"):
        check_study_folder(tmp_path, Small())
