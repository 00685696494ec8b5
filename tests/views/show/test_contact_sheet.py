"""The contact sheet draws every scan, and says what was done."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medcl.errors import UsageError
from medcl.views import Policy, draw_views, flags, load_policy, read_geometry
from medcl.views.show.contact_sheet import contact_sheet
from medcl.views.show.describe import describe
from tests.views.phantoms import MemoryStore, grid_affine, phantom_volume, picture_store


def test_sheet_shows_each_scan(pictures: MemoryStore, policy: Policy, tmp_path: Path) -> None:
    one = contact_sheet(pictures, [0], policy, 32, 0, tmp_path / "one.png")
    three = contact_sheet(pictures, [0, 1, 2], policy, 32, 0, tmp_path / "three.png")
    sizes = []
    for path in (one, three):
        with Image.open(path) as image:
            sizes.append(image.size)
    assert sizes[0][0] == sizes[1][0]
    assert sizes[1][1] > 2 * sizes[0][1]


def test_sheet_outlines_the_mask(tmp_path: Path) -> None:
    shape = (60, 60, 12)
    affine = grid_affine((1.0, 1.0, 5.0), shape)
    mask = np.zeros(shape, np.uint8)
    mask[20:40, 20:40] = 1
    sheets = []
    for drawn in (None, mask):
        store = MemoryStore()
        store.add(phantom_volume(shape, affine), affine, mask=drawn)
        sheet = contact_sheet(store, [0], load_policy("mr"), 48, 0, tmp_path / "sheet.png")
        sheets.append(sheet.read_bytes())
    assert sheets[0] != sheets[1]


def test_a_failed_sheet_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        contact_sheet(picture_store(1), [0], load_policy("cxr"), 0, 0, tmp_path / "sheet.png")
    assert not list(tmp_path.iterdir())


def test_words_name_what_was_changed() -> None:
    hu = np.random.default_rng(0).normal(30, 50, (64, 64)).round().astype(np.int16)
    store = MemoryStore().add(hu, spacing=(0.8, 0.8), unit="HU", modality="CT")
    policy, geometry = load_policy("ct"), read_geometry(store, [0])
    words = [describe(policy, geometry, draw_views(policy, geometry, 32, seed), 0, 0) for seed in range(20)]
    assert all("window" in text and "HU" in text and "mm" in text for text in words)
    assert any("blur" in text for text in words)
    still = draw_views(policy, geometry, 32, 0, draw="whole", count=1)
    assert "noise" not in describe(policy, geometry, still, 0, 0)


def test_flags_say_what_is_not_known() -> None:
    store = picture_store(2)
    store.rows[0]["modality"] = "unknown"
    said = flags(load_policy("ct"), store, [0, 1], 32)
    assert set(said) == {"MODALITY_OTHER", "MODALITY_UNKNOWN", "SPACING_UNKNOWN", "UNCALIBRATED"}
    assert all(said.values())
    assert flags(load_policy("cxr"), picture_store(2, spacing=1.0), [0, 1], 64) == {}
    assert set(flags(load_policy("cxr"), picture_store(2, spacing=1.0), [0, 1], 32)) == {"COARSE"}


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
