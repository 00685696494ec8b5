"""Pictures in square pixels."""

from __future__ import annotations

import numpy as np

from medcl.archive.dicom.pixels.square import square_shape, to_shape


def test_the_longer_side_of_a_pixel_is_divided() -> None:
    assert square_shape(100, 80, 2.0) == (200, 80)
    assert square_shape(100, 80, 0.5) == (100, 160)


def test_a_ramp_stays_a_ramp() -> None:
    ramp = np.arange(0, 200, 10, dtype=np.uint8)[:, None] + np.zeros((20, 5), np.uint8)
    stretched = to_shape(ramp, (40, 5))
    assert stretched.dtype == np.uint8
    np.testing.assert_allclose(stretched[1:-1, 0], np.arange(1, 39) * 5 - 2.5, atol=0.51)


def test_colors_and_masks_keep_their_values() -> None:
    picture = np.zeros((4, 6, 3), np.uint8)
    picture[2:, :, 1] = 255
    assert (to_shape(picture, (4, 12))[2:, :, 1] == 255).all()
    mask = to_shape(picture[..., 1] > 0, (8, 6))
    assert mask.dtype == bool
    assert mask.sum() == 4 * 6
