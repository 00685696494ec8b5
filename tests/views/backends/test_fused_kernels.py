"""Compiled loops against plain arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

pytest.importorskip("numba")

from medcl.views.backends import fused_kernels as kernels

WEIGHTS = np.array([0.1, 0.2, 0.4, 0.2, 0.1], np.float32)
NONE = np.zeros((0, 0, 0), np.float32)
NO_FIELD = np.zeros((0, 4), np.float32)
ONE = np.float32(1)


@pytest.fixture
def lines() -> np.ndarray:
    return np.random.default_rng(0).uniform(0.2, 0.8, (5, 9)).astype(np.float32)


def test_smoothing_goes_on_beyond_the_edges(lines: np.ndarray) -> None:
    expected = ndimage.convolve1d(lines, WEIGHTS, axis=1, mode="nearest")
    along = lines.copy()
    kernels.smooth_lines(along, WEIGHTS, np.empty(9 + 4, np.float32))
    np.testing.assert_allclose(along, expected, atol=1e-6)
    slab = lines[:, :, None].repeat(3, axis=2)
    kernels.smooth(slab, WEIGHTS, np.empty((9, 3), np.float32))
    np.testing.assert_allclose(slab, expected[:, :, None].repeat(3, axis=2), atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "formula"),
    [
        (kernels.GAUSSIAN, lambda v, a, b: v + 0.1 * a),
        (kernels.SPECKLE, lambda v, a, b: v * (1 + 0.1 * a)),
        (kernels.POISSON, lambda v, a, b: v + 0.1 * a * np.sqrt(np.maximum(v, 0))),
        (kernels.RICIAN, lambda v, a, b: np.hypot(v + 0.1 * a, 0.1 * b)),
    ],
)
def test_noise_follows_its_kind_after_window_and_shading(lines: np.ndarray, kind: int, formula) -> None:  # type: ignore[no-untyped-def]
    noise = np.random.default_rng(1).normal(size=(2, 5, 9)).astype(np.float32)
    field = np.tile(np.array([0.9, 0.1, -0.05, 0.02], np.float32), (5, 1))
    place = np.linspace(-1, 1, 9)
    shaded = (lines * 0.7 + 0.1) * np.polynomial.polynomial.polyval(place, field[0])
    image = lines.copy()
    kernels.window_shade_noise(image, np.float32(0.7), np.float32(0.1), field, kind, np.float32(0.1), noise)
    np.testing.assert_allclose(image, np.clip(formula(shaded, *noise), 0, 1), atol=2e-6)


def test_values_beyond_the_window_are_clipped(lines: np.ndarray) -> None:
    image = lines.copy()
    kernels.window_shade_noise(image, np.float32(4), np.float32(-1.5), NO_FIELD, 0, ONE, NONE)
    np.testing.assert_allclose(image, np.clip(4 * lines - 1.5, 0, 1), atol=1e-6)
    assert {0.0, 1.0} <= set(image.ravel())


@pytest.mark.parametrize("gamma", [0.5, 1.0, 1.7])
def test_tone_is_gamma_then_contrast_then_normalization(lines: np.ndarray, gamma: float) -> None:
    curve = (np.linspace(0, 1, 257) ** (2 * gamma)).astype(np.float32)
    image = lines.copy()
    kernels.tone(image, curve, np.float32(1.1), np.float32(-0.02))
    expected = (np.clip(lines**gamma * 1.1 - 0.02, 0, 1) - 0.5) * 4
    np.testing.assert_allclose(image, expected, atol=2e-4)
    plain = lines.copy()
    kernels.tone(plain, np.zeros(0, np.float32), ONE, np.float32(0))
    np.testing.assert_allclose(plain, (lines - 0.5) * 4, atol=1e-6)
