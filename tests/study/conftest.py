"""The store with near-duplicates that the tests of this folder share."""

from __future__ import annotations

import pytest

from medcl.store import Store
from tests.duplicates import duplicates_store


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with three planted near-duplicates of test scans."""
    return duplicates_store(tmp_path_factory.mktemp("planted"), planted=True)
