"""Pretraining as a step: run, resumed or read, whichever is left to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from medcl.files import write_json
from medcl.pretrain import once
from tests.pretrain.stores import settings


def test_a_run_is_started_resumed_and_then_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resumed: list[bool] = []

    def pretrain(config: Any, run: Path, resume: bool) -> dict[str, Any]:
        resumed.append(resume)
        return {"steps": 3}

    monkeypatch.setattr(once, "pretrain", pretrain)
    config = settings(tmp_path / "store")
    assert once.pretrain_once(config, tmp_path) == {"steps": 3}
    (tmp_path / "config.yaml").touch()
    once.pretrain_once(config, tmp_path)
    assert resumed == [False, True]
    write_json({"steps": 7}, tmp_path / "summary.json")
    assert once.pretrain_once(config, tmp_path) == {"steps": 7}
    assert resumed == [False, True]
