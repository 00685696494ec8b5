"""Views too coarse for the smallest structure are flagged, tiled or refused."""

from __future__ import annotations

import numpy as np
import pytest

from medcl.errors import UsageError
from medcl.views import ViewLoader, load_policy
from tests.views.phantoms import MemoryStore


def test_planner_flags_tiles_or_refuses() -> None:
    store = MemoryStore()
    for spacing in ((0.1, 0.1), None):
        store.add(
            np.random.default_rng(0).integers(0, 255, (400, 300)).astype(np.uint8),
            spacing=spacing,
            modality="MG",
        )
    policy = load_policy("mammography", "calcification")
    settings = {"size": 64, "batch_size": 1, "seed": 0, "backend": "torch"}
    assert ViewLoader(store, [0, 1], policy, **settings).flags == ("COARSE", "SPACING_UNKNOWN")
    with pytest.raises(UsageError, match="231 px"):
        ViewLoader(store, [0], policy, **settings, sampling="refuse")
    tiled = ViewLoader(store, [0], policy, **settings, sampling="tile")
    assert tiled.flags == ("TILED",)
    for batch in tiled:
        assert (batch.params.edge / 64 <= policy.max_px_mm * 1.0001).all()
