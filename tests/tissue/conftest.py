"""The store that the tests of this folder share."""

from __future__ import annotations

import pytest

from medcl.archive import scan_archive
from medcl.store import Store, prepare
from tests.tissue.samples import write_archive


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("tissue")
    table = write_archive(folder)
    return prepare(scan_archive([folder / "archive"], folder / "catalog"), folder / "store", table)
