"""Phantoms: grids of a modality, and stores of which every sample is known."""

from __future__ import annotations

import numpy as np
import pytest

from medcl.views import load_policy, read_geometry
from medcl.views.audit.phantoms import CANARY, PhantomGrid, phantom_grids, ramps


@pytest.mark.parametrize(
    ("policy", "names"),
    [("ct", ["image", "slices", "volume"]), ("mr", ["image", "slices", "volume"]), ("cxr", ["image"]),
     ("us", ["image"]), ("unknown", ["image", "slices", "volume"])],
)  # fmt: skip
def test_grids_are_those_of_the_modality_at_its_resolution(policy: str, names: list[str]) -> None:
    limits = load_policy(policy)
    grids = phantom_grids(limits)
    assert [grid.name for grid in grids] == names
    assert all(grid.spacing[0] == limits.max_px_mm for grid in grids)
    assert [grid.dims for grid in grids] == [2, 2, 3][: len(grids)]


def test_volumes_are_centered_and_pictures_have_no_affine() -> None:
    grid = PhantomGrid("volume", (5, 7, 3), (1.0, 2.0, 5.0), 3)
    assert grid.affine is not None
    np.testing.assert_allclose(grid.affine @ [2, 3, 1, 1], [0, 0, 0, 1])
    np.testing.assert_allclose(grid.positions_mm()[4, 6, 2], [4, 12, 10])
    assert PhantomGrid("image", (5, 7), (1.0, 2.0), 2).affine is None


def test_ramps_name_their_own_place() -> None:
    arrays = ramps(PhantomGrid("volume", (4, 5, 6), (1.0, 1.0, 1.0), 3))
    assert [array[1, 2, 3] for array in arrays] == [1, 2, 3]


def test_a_store_of_phantoms_can_be_viewed_and_stands_for_a_person() -> None:
    grid = PhantomGrid("image", (30, 40), (0.5, 0.5), 2)
    store = grid.phantoms([np.eye(30, 40)] * 2, np.array([7, 8]), "HU", (-1000, 1000), noise=3.0)
    assert store.scans["fingerprint"].tolist() == [7, 8]
    assert set(store.scans["patient"]) == {CANARY}
    geometry = read_geometry(store, [0, 1])
    assert (geometry.lo[0], geometry.hi[0], geometry.noise[0]) == (-1000, 1000, 3)
    np.testing.assert_allclose(geometry.fov, 15)
    assert store.mask(0) is store.valid(0) is None
