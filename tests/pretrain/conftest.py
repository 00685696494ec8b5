"""A store that the tests of this folder share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pretrain.stores import store_of_images


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return store_of_images(tmp_path_factory.mktemp("images"))
