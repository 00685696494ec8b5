"""Descriptions name what was changed."""

from __future__ import annotations

import numpy as np

from medcl.views import draw_views, load_policy, read_geometry
from medcl.views.show.describe import describe
from tests.views.phantoms import MemoryStore


def test_words_name_what_was_changed() -> None:
    hu = np.random.default_rng(0).normal(30, 50, (64, 64)).round().astype(np.int16)
    store = MemoryStore().add(hu, spacing=(0.8, 0.8), unit="HU", modality="CT")
    policy, geometry = load_policy("ct"), read_geometry(store, [0])
    words = [describe(policy, geometry, draw_views(policy, geometry, 32, seed), 0, 0) for seed in range(20)]
    assert all("window" in text and "HU" in text and "mm" in text for text in words)
    assert any("blur" in text for text in words)
    still = draw_views(policy, geometry, 32, 0, draw="whole", count=1)
    assert "noise" not in describe(policy, geometry, still, 0, 0)
