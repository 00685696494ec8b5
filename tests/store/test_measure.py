from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from medcl.intensity import tissue_mask
from medcl.store.measure import ANCHORS, measure, noise_sigma, pixel_fingerprint


@given(hnp.arrays(np.int16, (5, 7)), st.integers(0, 34))
def test_fingerprint_changes_with_any_pixel_and_only_then(array: np.ndarray, place: int) -> None:
    other = array.copy()
    assert pixel_fingerprint(other) == pixel_fingerprint(array)
    other.flat[place] ^= 1
    assert pixel_fingerprint(other) != pixel_fingerprint(array)


@given(hnp.arrays(np.int16, (5, 7)))
def test_fingerprint_is_of_values_whatever_the_type(array: np.ndarray) -> None:
    assert pixel_fingerprint(array.astype(np.float32)) == pixel_fingerprint(array)
    positive = np.abs(array.astype(np.int32)).clip(0, 32767)
    assert pixel_fingerprint(positive.astype(np.uint16)) == pixel_fingerprint(positive.astype(np.int16))
    halves = array.astype(np.float32) + np.float32(0.5)
    assert pixel_fingerprint(halves) != pixel_fingerprint(array)


def test_fingerprint_tells_shape_and_type_apart() -> None:
    array = np.zeros((4, 6), np.uint8)
    prints = {pixel_fingerprint(a) for a in (array, array.T, array.astype(np.int16), array.view(np.int8))}
    assert len(prints) == 4


def test_fingerprint_does_not_depend_on_memory_order() -> None:
    array = np.arange(24, dtype=np.int16).reshape(4, 6)
    assert pixel_fingerprint(np.asfortranarray(array)) == pixel_fingerprint(array)


def test_tissue_of_a_ct_is_above_air() -> None:
    scan = np.full((16, 16, 4), -1000, np.int16)
    scan[4:12, 5:10] = 40
    assert measure(scan, "HU", 3).box == (4, 12, 5, 10, 0, 4)


def test_tissue_of_a_masked_image_is_all_that_differs_from_its_border() -> None:
    """Standardized MR has negative tissue on a background of one value."""
    scan = np.zeros((20, 20), np.float32)
    scan[5:15, 5:15] = np.linspace(-3, 3, 100).reshape(10, 10)
    assert tissue_mask(scan, "a.u.")[5:15, 5:15].all()
    assert not tissue_mask(scan, "a.u.")[:5].any()


def test_anchors_lie_on_tissue_and_are_the_same_everywhere() -> None:
    scan = np.full((16, 16), 0, np.uint8)
    scan[3:6, 9:12] = 200
    first, again = measure(scan, "display", 2), measure(scan, "display", 2)
    places = np.reshape(first.anchors, (ANCHORS, 2))
    assert first.anchors == again.anchors
    assert (scan[places[:, 0], places[:, 1]] == 200).all()


@pytest.mark.parametrize("sigma", [2.0, 10.0, 40.0])
def test_noise_is_measured_under_smooth_anatomy(sigma: float) -> None:
    rows, columns = np.mgrid[:128, :128]
    anatomy = 300 * np.sin(rows / 20) * np.cos(columns / 25)
    noisy = anatomy + np.random.default_rng(0).normal(0, sigma, anatomy.shape)
    assert noise_sigma(noisy, np.ones(noisy.shape, bool)) == pytest.approx(sigma, rel=0.08)


def test_anchors_of_an_mr_volume_do_not_lie_in_the_noise_of_air() -> None:
    """The corners are cut to zero, as reconstructions do, so that noise differs from the border."""
    body = np.zeros((64, 64, 16), bool)
    body[16:48, 20:50, 2:14] = True
    noise = np.abs(np.random.default_rng(0).normal(0, 6, body.shape))
    scan = np.where(body, 400 + noise, noise).astype(np.int16)
    scan[:2], scan[-2:], scan[:, :2], scan[:, -2:] = 0, 0, 0, 0
    scan[30:34, 30:34, 6:9] = 5
    measured = measure(scan, "a.u.", 3)
    places = np.reshape(measured.anchors, (ANCHORS, 3))
    assert body[tuple(places.T)].mean() > 0.8, "a little of the air that touches the body remains"
    low, high = np.reshape(measured.box, (3, 2)).T
    assert (low <= [16, 20, 2]).all(), "no tissue is cut off"
    assert (high >= [48, 50, 14]).all()
    assert (low[:2] >= 12).all()
