"""The app's modules are siblings of its entry, as Streamlit runs them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
for folder in (REPOSITORY / "apps" / "review", Path(__file__).parent):
    sys.path.insert(0, str(folder))


@pytest.fixture(autouse=True)
def _own_main(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put `__main__` back after each test: AppTest replaces it, and spawned processes would run its page."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
