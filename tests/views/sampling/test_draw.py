"""Draws of what views show."""

from __future__ import annotations

import numpy as np

from medcl.views import draw_views, flags, load_policy, read_geometry
from tests.views.phantoms import MemoryStore, grid_affine, phantom_volume


def test_scans_whose_sides_are_not_certain_are_not_mirrored() -> None:
    shape = (40, 40, 12)
    affine = grid_affine((1.0, 1.0, 5.0), shape)
    store = MemoryStore()
    for n, flag in enumerate(["", "XFORM_UNKNOWN"]):
        store.add(phantom_volume(shape, affine) + n, affine)
        store.rows[n]["flags"] = flag
    policy, geometry = load_policy("mr", "permissive"), read_geometry(store, [0, 1])
    mirrored = np.stack([(draw_views(policy, geometry, 16, 0, e).mirror < 0).any(-1) for e in range(20)])
    assert mirrored[:, 0].any()
    assert not mirrored[:, 1].any()
    assert "LATERALITY_UNKNOWN" in flags(policy, store, [0, 1], 64)
