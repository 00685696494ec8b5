"""Compiled loops of the fused backend that change the intensities of a sampled view.

Each kernel releases the interpreter lock. Shapes: S is the edge of a view, L its number of lines (S in 2-D,
S x S in 3-D).
"""

from __future__ import annotations

import numpy as np

from medcl.views.backends.compiled import compiled

GAUSSIAN, SPECKLE, POISSON, RICIAN = 0, 1, 2, 3


@compiled
def smooth(image: np.ndarray, weights: np.ndarray, scratch: np.ndarray) -> None:
    """Smooth `image` (outer, S, inner) along its middle axis in place; edges go on beyond it."""
    outer, size, inner = image.shape
    radius = len(weights) // 2
    for n in range(outer):
        for at in range(size):
            for m in range(inner):
                scratch[at, m] = weights[radius] * image[n, at, m]
            for shift in range(1, radius + 1):
                low, high = max(at - shift, 0), min(at + shift, size - 1)
                weight = weights[radius + shift]
                for m in range(inner):
                    scratch[at, m] += weight * (image[n, low, m] + image[n, high, m])
        for at in range(size):
            for m in range(inner):
                image[n, at, m] = scratch[at, m]


@compiled
def smooth_lines(image: np.ndarray, weights: np.ndarray, scratch: np.ndarray) -> None:
    """Smooth each line of `image` (L, S) in place; edges go on beyond it. `scratch` holds S + 2 radius."""
    lines, size = image.shape
    radius = len(weights) // 2
    for line in range(lines):
        for n in range(radius):
            scratch[n] = image[line, 0]
            scratch[radius + size + n] = image[line, size - 1]
        for n in range(size):
            scratch[radius + n] = image[line, n]
            image[line, n] = 0.0
        for tap in range(2 * radius + 1):
            weight = weights[tap]
            for n in range(size):
                image[line, n] += weight * scratch[tap + n]


@compiled
def window_shade_noise(
    image: np.ndarray,
    scale: np.float32,
    shift: np.float32,
    field: np.ndarray,
    kind: int,
    sigma: np.float32,
    noise: np.ndarray,
) -> None:
    """Window, shade and add noise to lines (L, S) in place, and clip to [0, 1].

    `field` (L, 4) holds the coefficients of each line's shading, (0, 4) for none; `noise` (2, L, S) standard
    normal numbers, (0, 0, 0) for none.
    """
    lines, size = image.shape
    for line in range(lines):
        values = image[line]
        for n in range(size):
            values[n] = values[n] * scale + shift
        if field.shape[0]:
            a, b, c, d = field[line, 0], field[line, 1], field[line, 2], field[line, 3]
            for n in range(size):
                v = np.float32(2.0 * n / max(size - 1, 1) - 1.0)
                values[n] *= a + v * (b + v * (c + v * d))
        if noise.shape[0]:
            first = noise[0, line]
            if kind == GAUSSIAN:
                for n in range(size):
                    values[n] += sigma * first[n]
            elif kind == SPECKLE:
                for n in range(size):
                    values[n] *= np.float32(1.0) + sigma * first[n]
            elif kind == POISSON:
                for n in range(size):
                    values[n] += sigma * first[n] * np.sqrt(max(values[n], np.float32(0.0)))
            else:
                second = noise[1, line]
                for n in range(size):
                    one, two = values[n] + sigma * first[n], sigma * second[n]
                    values[n] = np.sqrt(one * one + two * two)
        for n in range(size):
            values[n] = min(max(values[n], np.float32(0.0)), np.float32(1.0))


@compiled
def tone(image: np.ndarray, curve: np.ndarray, contrast: np.float32, shift: np.float32) -> None:
    """Apply gamma, contrast and brightness to lines (L, S) in [0, 1], clip, and normalize.

    `curve` holds gamma at even steps of the root of the value, where it is smooth; (0,) for none.
    """
    lines, size = image.shape
    last = np.float32(len(curve) - 1)
    for line in range(lines):
        values = image[line]
        if len(curve):
            for n in range(size):
                at = np.sqrt(values[n]) * last
                low = min(int(at), len(curve) - 2)
                values[n] = curve[low] + (at - np.float32(low)) * (curve[low + 1] - curve[low])
        for n in range(size):
            value = values[n] * contrast + shift
            value = min(max(value, np.float32(0.0)), np.float32(1.0))
            values[n] = (value - np.float32(0.5)) * np.float32(4.0)
