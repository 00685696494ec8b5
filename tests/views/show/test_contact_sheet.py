"""The contact sheet draws every scan, and says what was done."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medcl.errors import UsageError
from medcl.views import Policy, load_policy
from medcl.views.show.contact_sheet import contact_sheet
from tests.views.phantoms import MemoryStore, grid_affine, image_store, phantom_volume


def test_sheet_shows_each_scan(images: MemoryStore, policy: Policy, tmp_path: Path) -> None:
    one = contact_sheet(images, [0], policy, 32, 0, tmp_path / "one.png")
    three = contact_sheet(images, [0, 1, 2], policy, 32, 0, tmp_path / "three.png")
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
        contact_sheet(image_store(1), [0], load_policy("cxr"), 0, 0, tmp_path / "sheet.png")
    assert not list(tmp_path.iterdir())
