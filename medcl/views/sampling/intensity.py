"""Intensities of views: windows, tissue contrast, shading, blur and noise, drawn within a policy."""

from __future__ import annotations

from enum import IntEnum
from itertools import product
from typing import Any

import numpy as np

from medcl.views.policy import Policy
from medcl.views.sampling.keyed_random import uniform
from medcl.views.sampling.scan_geometry import ScanGeometry


class IntensityDraw(IntEnum):
    """The counter of each quantity: fixed, so that old views stay as they were when new ones are added."""

    PRESET = 1
    WIDTH = 2
    LEVEL = 3
    GAIN = 4
    OFFSET = 5
    GAMMA = 6
    CONTRAST = 7
    BRIGHTNESS = 8
    DEPTH = 9
    BLUR_CHANCE = 10
    BLUR = 11
    NOISE_CHANCE = 12
    NOISE = 13
    BIAS = 14
    COLOR = 16
    FIELD = 64


def between(share: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """Return the value at `share` (0 to 1) of the way from the lower limit to the upper."""
    return limits[0] + share * (limits[1] - limits[0])


def draw_intensities(
    policy: Policy,
    geometry: ScanGeometry,
    preset: np.ndarray,
    keys: np.ndarray,
    pixel: np.ndarray,
    reduce: np.ndarray,
) -> dict[str, np.ndarray]:
    """Draw the intensity parameters of `ViewParams` for views with `keys` (B, V).

    Args:
        policy: the limits.
        geometry: Geometry of the B scans.
        preset: (B,) number of the window preset or -1, from `draw_presets`.
        keys: (B, V) uint64.
        pixel: (B, V) edge of an output pixel in millimeters.
        reduce: (B,) factor by which the source is averaged first, which lowers its noise.
    """
    change = policy.intensity
    low, width = _windows(policy, geometry, preset, keys)
    blurred = (uniform(keys, IntensityDraw.BLUR_CHANCE) < policy.blur.probability) & geometry.spaced[:, None]
    sigma = uniform(keys, IntensityDraw.BLUR) * policy.blur.sigma_mm
    return {
        "gain": between(uniform(keys, IntensityDraw.GAIN), change.gain),
        "offset": between(uniform(keys, IntensityDraw.OFFSET), change.offset)
        * is_calibrated(policy, geometry)[:, None],
        "low": low,
        "width": width,
        "gamma": between(uniform(keys, IntensityDraw.GAMMA), change.gamma),
        "contrast": between(uniform(keys, IntensityDraw.CONTRAST), change.contrast),
        "brightness": between(uniform(keys, IntensityDraw.BRIGHTNESS), change.brightness),
        "field": _fields(policy, keys, geometry.dims),
        "blur_px": np.where(blurred, sigma / pixel, 0.0),
        "noise": _noise(policy, geometry, keys, width, reduce),
        "color": _color(policy, keys),
    }


def is_calibrated(policy: Policy, geometry: ScanGeometry) -> np.ndarray:
    """Return (B,) whether a scan is in the policy's physical unit, so that its HU or SUV limits are true."""
    return (geometry.unit == policy.unit) if policy.unit != "a.u." else np.zeros(len(geometry), bool)


def draw_presets(policy: Policy, geometry: ScanGeometry, share: np.ndarray) -> np.ndarray:
    """Return the window preset of each scan (B,), at `share` (0 to 1) of those that fit its body part.

    For an unknown body part, the presets without body parts fit; -1 means no preset.
    """
    presets = policy.window.presets
    if not presets:
        return np.full(len(geometry), -1)
    fits = np.stack(
        [_covers(geometry.body_part, preset.body_parts) for preset in presets],
        axis=1,
    )
    position = (share * fits.sum(axis=1)).astype(int)
    number = np.argmax(np.cumsum(fits, axis=1) > position[:, None], axis=1)
    return np.where(is_calibrated(policy, geometry), number, -1)


def _covers(body_part: np.ndarray, parts: tuple[str, ...]) -> np.ndarray:
    return np.ones(len(body_part), bool) if not parts else np.isin(body_part, parts)


def padding_values(policy: Policy, geometry: ScanGeometry) -> np.ndarray:
    """Return (B,) the value of samples beyond the scan, in its unit."""
    if policy.padding_value == "high":
        return geometry.hi
    if policy.padding_value == "low":
        return geometry.lo
    return np.where(is_calibrated(policy, geometry), policy.padding_value, geometry.lo)


def _windows(
    policy: Policy, geometry: ScanGeometry, preset: np.ndarray, keys: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    low, width = np.repeat(geometry.lo[:, None], keys.shape[1], 1), (geometry.hi - geometry.lo)[:, None]
    if not policy.window.presets:
        return low, np.broadcast_to(width, keys.shape).copy()
    table = np.array([(one.level, one.width) for one in policy.window.presets])[preset]
    wide = table[:, 1:] * between(uniform(keys, IntensityDraw.WIDTH), policy.window.width)
    level = table[:, :1] + wide * between(uniform(keys, IntensityDraw.LEVEL), policy.window.level)
    known = (preset >= 0)[:, None]
    return np.where(known, level - wide / 2, low), np.where(known, wide, width)


def _noise(
    policy: Policy, geometry: ScanGeometry, keys: np.ndarray, width: np.ndarray, reduce: np.ndarray
) -> np.ndarray:
    noise = policy.noise
    noisy = uniform(keys, IntensityDraw.NOISE_CHANCE) < noise.probability
    share = uniform(keys, IntensityDraw.NOISE) * noise.native
    if noise.kind == "speckle":
        return np.where(noisy, share, 0.0)
    native = geometry.noise / reduce ** (geometry.dims / 2)
    return np.where(noisy, share * native[:, None] / width, 0.0)


def _fields(policy: Policy, keys: np.ndarray, dims: int) -> np.ndarray:
    """Return coefficients whose absolute values sum to the limit at most: so the field stays within it."""
    terms = [term for term in product(range(4), repeat=dims) if sum(term) <= 3]
    values = {term: np.zeros(keys.shape) for term in terms}
    values[terms[0]] += 1.0
    change = policy.intensity
    if change.bias:
        drawn = np.stack([2 * uniform(keys, IntensityDraw.FIELD + n) - 1 for n in range(1, len(terms))])
        drawn *= change.bias * uniform(keys, IntensityDraw.BIAS) / np.maximum(np.abs(drawn).sum(axis=0), 1e-9)
        for term, value in zip(terms[1:], drawn, strict=True):
            values[term] += value
    if change.depth_gain:
        values[(1, *[0] * (dims - 1))] += (2 * uniform(keys, IntensityDraw.DEPTH) - 1) * change.depth_gain
    field = np.zeros((*keys.shape, *[4] * dims))
    for term, value in values.items():
        at: tuple[Any, ...] = (slice(None), slice(None), *term)
        field[at] = value
    return field


def _color(policy: Policy, keys: np.ndarray) -> np.ndarray:
    """Return saturation, hue, three stain gains and the stain offset, (B, V, 6)."""
    values: np.ndarray = np.zeros((*keys.shape, 6)) + np.array([1.0, 0, 1, 1, 1, 0])
    if policy.color is None:
        return values
    signed = [2 * uniform(keys, IntensityDraw.COLOR + n) - 1 for n in range(6)]
    color = policy.color
    values[..., 0] = between(uniform(keys, IntensityDraw.COLOR), color.saturation)
    values[..., 1] = signed[1] * color.hue
    for stain in range(3):
        values[..., 2 + stain] = 1 + signed[2 + stain] * color.stain_gain
    values[..., 5] = signed[5] * color.stain_offset
    return values
