"""Pictures have exact pixels and true scale."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from medcl.review import pictures


def _decode(html: str) -> np.ndarray:
    match = re.search(r"base64,([^\"]+)", html)
    assert match
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(match[1]))))


@given(st.integers(1, 900), st.integers(1, 900), st.floats(0.2, 6), st.floats(0.2, 6))
@settings(max_examples=60, deadline=None)
def test_zooms_are_whole_and_keep_proportion(rows: int, columns: int, down: float, across: float) -> None:
    zoom = pictures.zooms((rows, columns), (down, across))
    assert all(isinstance(z, int) and z >= 1 for z in zoom)
    if 1.0 <= max(down, across) / min(down, across) < 1.5:
        assert zoom[0] == zoom[1]


def test_pixels_are_repeated_and_never_mixed() -> None:
    gray = np.array([[0, 255], [128, 7]], np.uint8)
    shown = _decode(pictures.figure(gray, (3, 3), None, None, "x"))
    assert shown.shape == (6, 6)
    assert np.array_equal(shown[::3, ::3], gray)
    assert set(np.unique(shown)) == {0, 7, 128, 255}


def test_scale_bar_has_the_stated_length() -> None:
    html = pictures.figure(np.zeros((100, 100), np.uint8), (4, 4), None, (2.5, 2.5), "x")
    match = re.search(r'class="scale" style="width:(\d+)px"></span>(\d+) mm', html)
    assert match
    assert int(match[1]) / 4 * 2.5 == pytest.approx(int(match[2]), abs=0.7)
    assert "spacing unknown" in pictures.figure(np.zeros((9, 9), np.uint8), (1, 1), None, None, "x")


def test_outline_keeps_the_inside_visible() -> None:
    mask = np.zeros((9, 9), bool)
    mask[2:7, 2:7] = True
    edge = pictures.outline(mask)
    assert edge.sum() == 16
    assert not edge[4, 4]


def test_a_caption_cannot_carry_markup() -> None:
    html = pictures.figure(np.zeros((4, 4), np.uint8), (1, 1), None, None, '"><script>alert(1)</script>')
    assert "<script" not in html
