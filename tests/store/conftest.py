from __future__ import annotations

from pathlib import Path

import pytest

from tests.store.samples import write_images


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return write_images(tmp_path / "archive", {"healthy": 24, "abnormal": 16})
