"""Every test gets its own private home, so that no pseudonym key or locator of the user is touched."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def private_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "private"
    monkeypatch.setenv("MEDCL_HOME", str(folder))
    return folder
