"""Every test gets its own private home, so that no pseudonym key or locator of the user is touched."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def private_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "private"
    monkeypatch.setenv("MEDCL_HOME", str(folder))
    return folder


@pytest.fixture
def data() -> Callable[[str], Path]:
    """Return the path of a development data set, or skip where it is absent."""
    default = Path(__file__).parents[2].parent / "shared" / "data"
    folder = Path(os.environ.get("MEDCL_DATA", default))

    def find(name: str) -> Path:
        path = folder / name
        if not path.exists():
            pytest.skip(f"development data {name} is absent; set MEDCL_DATA")
        return path

    return find
