"""Scans and policies that the view tests share."""

from __future__ import annotations

import pytest

from medcl.views import Policy, load_policy
from tests.views.phantoms import MemoryStore, anisotropic_store, image_store


@pytest.fixture(scope="session")
def images() -> MemoryStore:
    return image_store()


@pytest.fixture(scope="session")
def volumes() -> MemoryStore:
    return anisotropic_store()


@pytest.fixture(params=["ct", "mr", "cxr", "us"])
def policy(request: pytest.FixtureRequest) -> Policy:
    return load_policy(request.param)
