"""The store and the study that the tests of this folder share."""

from __future__ import annotations

from pathlib import Path

import pytest

from medcl.archive import scan_archive
from medcl.store import Store, prepare
from medcl.tissue import TissueConfig, run_tissue
from tests.tissue.samples import settings, write_archive


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("tissue")
    table = write_archive(folder)
    return prepare(scan_archive([folder / "archive"], folder / "catalog"), folder / "store", table)


@pytest.fixture(scope="session")
def study(store: Store, tmp_path_factory: pytest.TempPathFactory) -> tuple[TissueConfig, Path]:
    """Configuration and folder of a study of four arms with one mask to learn from."""
    arms = ["simclr-probe", "supervised", "simclr-segment", "supervised-segment"]
    config = settings(store.folder, arms=arms, budgets=[1], primary={"arm": "simclr-probe", "budget": 1})
    out = tmp_path_factory.mktemp("study") / "out"
    run_tissue(config, out)
    return config, out
