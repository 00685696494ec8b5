"""The app's modules are siblings of its entry, as Streamlit runs them."""

from __future__ import annotations

import sys

import pytest


@pytest.fixture(autouse=True)
def _own_main(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put `__main__` back after each test: AppTest replaces it, and spawned processes would run its page."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
