"""Where real data lies, and a pseudonym key that belongs to the tests alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("MEDCL_DATA", ROOT.parent / "shared" / "data"))


@pytest.fixture(scope="session", autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDCL_HOME", str(tmp_path_factory.mktemp("medcl-home")))
        yield


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder with real images; tests that need it skip where it is absent."""
    if not DATA.is_dir():
        pytest.skip(f"no development data at {DATA}; set MEDCL_DATA")
    return DATA
