"""Intensities are drawn within the limits of the policy, in the unit of the scan."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from medcl.views import Policy, load_policy, read_geometry
from medcl.views.policy import Color, Intensity, Noise, Preset, Window
from medcl.views.sampling.intensity import (
    between,
    draw_intensities,
    draw_presets,
    is_calibrated,
    padding_values,
)
from medcl.views.sampling.keyed_random import combine, scan_keys
from tests.views.phantoms import MemoryStore

SCANS = 400


@pytest.fixture(scope="module")
def store() -> MemoryStore:
    """One scan in HU and one without calibration, 20 by 20 pixels of 1 mm."""
    pixels = np.random.default_rng(0).normal(40, 100, (20, 20)).astype(np.float32)
    return (
        MemoryStore()
        .add(pixels, spacing=(1.0, 1.0), unit="HU", modality="CT")
        .add(pixels, spacing=(1.0, 1.0), unit="a.u.")
        .add(pixels, unit="HU", modality="CT")
    )


def drawn(policy: Policy, store: MemoryStore, row: int = 0) -> dict[str, np.ndarray]:
    geometry = read_geometry(store, [row] * SCANS)
    keys = combine(scan_keys(0, 0, np.arange(SCANS))[:, None], np.arange(2))
    pixel, reduce = np.full((SCANS, 2), 0.5), np.ones(SCANS)
    presets = draw_presets(policy, geometry, np.linspace(0, 1, SCANS, endpoint=False))
    return draw_intensities(policy, geometry, presets, keys, pixel, reduce)


def ct(**changes: Any) -> Policy:
    return load_policy("ct").model_copy(update=changes)


def test_between_is_linear() -> None:
    np.testing.assert_allclose(between(np.array([0, 0.5, 1]), (2.0, 6.0)), [2, 4, 6])


def test_every_quantity_covers_its_range_and_stays_in_it(store: MemoryStore) -> None:
    limits: dict[str, Any] = {
        "gain": (0.9, 1.2),
        "offset": (-7.0, 3.0),
        "gamma": (0.8, 1.3),
        "contrast": (0.7, 1.1),
        "brightness": (-0.1, 0.2),
    }
    values = drawn(ct(intensity=Intensity(**limits)), store)
    for name, (low, high) in limits.items():
        assert values[name].min() == pytest.approx(low, abs=0.02 * (high - low))
        assert values[name].max() == pytest.approx(high, abs=0.02 * (high - low))


def test_offsets_in_hounsfield_units_need_hounsfield_units(store: MemoryStore) -> None:
    policy = ct(intensity=Intensity(offset=(-7.0, 7.0)))
    assert drawn(policy, store, row=0)["offset"].any()
    assert not drawn(policy, store, row=1)["offset"].any()
    geometry = read_geometry(store, [0, 1])
    assert is_calibrated(policy, geometry).tolist() == [True, False]
    assert not is_calibrated(load_policy("mr"), geometry).any()


def test_windows_are_the_preset_with_its_jitter_or_the_scan_s_own_range(store: MemoryStore) -> None:
    presets = (Preset(name="soft", level=40, width=400),)
    policy = ct(window=Window(presets=presets, width=(0.9, 1.1), level=(-0.1, 0.1)))
    values = drawn(policy, store)
    assert values["width"].min() == pytest.approx(360, abs=2)
    assert values["width"].max() == pytest.approx(440, abs=2)
    level = values["low"] + values["width"] / 2
    assert (np.abs(level - 40) <= 0.1 * values["width"] + 1e-9).all()
    assert np.ptp(level) > 40
    plain = drawn(ct(window=Window()), store)
    row = store.rows[0]
    np.testing.assert_allclose(plain["low"], row["lo"])
    np.testing.assert_allclose(plain["width"], row["hi"] - row["lo"])


def test_presets_are_those_of_the_body_part(store: MemoryStore) -> None:
    presets = (
        Preset(name="soft", level=40, width=400),
        Preset(name="lung", level=-600, width=1500, body_parts=("CHEST",)),
    )
    policy = ct(window=Window(presets=presets))
    share = np.array([0.0, 0.3, 0.6, 0.99])
    for row in store.rows:
        row["body_part"] = "CHEST"
    assert set(draw_presets(policy, read_geometry(store, [0] * 4), share)) == {0, 1}
    for part in ("", "HEAD"):
        store.rows[0]["body_part"] = part
        assert set(draw_presets(policy, read_geometry(store, [0] * 4), share)) == {0}
    for row in store.rows:
        del row["body_part"]
    assert set(draw_presets(ct(window=Window()), read_geometry(store, [0] * 4), share)) == {-1}


def test_blur_is_in_millimeters_and_needs_a_spacing(store: MemoryStore) -> None:
    blur = load_policy("ct").blur.model_copy(update={"sigma_mm": 0.4, "probability": 0.5})
    values = drawn(ct(blur=blur), store)["blur_px"]
    assert 0.8 * 0.9 < values.max() <= 0.8, "0.4 mm at 0.5 mm a pixel"
    assert (values == 0).mean() == pytest.approx(0.5, abs=0.06)
    assert not drawn(ct(blur=blur), store, row=2)["blur_px"].any()


@pytest.mark.parametrize("kind", ["gaussian", "speckle"])
def test_noise_is_a_share_of_the_scan_s_own_or_of_the_signal(store: MemoryStore, kind: str) -> None:
    policy = ct(noise=Noise(kind=kind, native=0.5, probability=0.5), window=Window())
    values = drawn(policy, store)["noise"]
    row = store.rows[0]
    most = 0.5 if kind == "speckle" else 0.5 * row["noise"] / (row["hi"] - row["lo"])
    assert 0.95 * most < values.max() <= most
    assert (values == 0).mean() == pytest.approx(0.5, abs=0.06)


def test_shading_stays_within_its_bounds_everywhere(store: MemoryStore) -> None:
    fields = drawn(ct(intensity=Intensity(bias=0.2)), store)["field"]
    line = np.linspace(-1, 1, 9)
    shading = np.polynomial.polynomial.polygrid2d(line, line, np.moveaxis(fields, (2, 3), (0, 1)))
    assert shading.min() >= 0.8 - 1e-9
    assert shading.max() <= 1.2 + 1e-9
    assert np.ptp(shading) > 0.1
    depth = drawn(ct(intensity=Intensity(depth_gain=0.3)), store)["field"]
    assert np.abs(depth[..., 1, 0]).max() == pytest.approx(0.3, abs=0.01)
    depth[..., 0, 0] = depth[..., 1, 0] = 0
    assert not depth.any()
    assert (drawn(ct(intensity=Intensity()), store)["field"][..., 0, 0] == 1).all()


def test_color_changes_within_its_limits_or_not_at_all(store: MemoryStore) -> None:
    neutral = [1.0, 0, 1, 1, 1, 0]
    np.testing.assert_array_equal(drawn(ct(color=None), store)["color"], np.tile(neutral, (SCANS, 2, 1)))
    color = Color(saturation=(0.8, 1.1), hue=0.02, stain_gain=0.1, stain_offset=0.05)
    values = drawn(ct(color=color), store)["color"]
    low = [0.8, -0.02, 0.9, 0.9, 0.9, -0.05]
    high = [1.1, 0.02, 1.1, 1.1, 1.1, 0.05]
    np.testing.assert_allclose(values.min(axis=(0, 1)), low, atol=0.01)
    np.testing.assert_allclose(values.max(axis=(0, 1)), high, atol=0.01)


def test_what_lies_beyond_the_scan_has_the_value_of_the_policy(store: MemoryStore) -> None:
    geometry = read_geometry(store, [0, 1])
    low, high = (np.array([row[name] for row in store.rows[:2]]) for name in ("lo", "hi"))
    np.testing.assert_allclose(padding_values(ct(padding_value="low"), geometry), low)
    np.testing.assert_allclose(padding_values(ct(padding_value="high"), geometry), high)
    np.testing.assert_allclose(padding_values(ct(padding_value=-1000.0), geometry), [-1000, low[1]])
