from __future__ import annotations

from pathlib import Path

import pytest

from tests.store.samples import pictures


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return pictures(tmp_path / "archive", {"healthy": 24, "abnormal": 16})
