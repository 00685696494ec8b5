"""The phantom agrees with itself at every voxel, and disagrees when it is moved."""

from __future__ import annotations

import numpy as np

from medcl.testing import phantom

AFFINE = np.array([[-5.0, 0, 0, 57], [0, 6.0, 0, -60], [0, 0, 7.5, -55], [0, 0, 0, 1]])


def sampled() -> np.ndarray:
    index = np.stack(np.meshgrid(*map(np.arange, (24, 20, 16)), indexing="ij"), axis=-1)
    return phantom.tissue((index @ AFFINE[:3, :3].T + AFFINE[:3, 3]) * [-1.0, -1.0, 1.0])


def test_deviation_is_zero_in_place_and_large_when_flipped() -> None:
    exact = phantom.deviation(sampled(), AFFINE)
    assert exact.largest < 1e-9
    assert exact.correlation > 0.999999
    assert phantom.deviation(sampled()[::-1], AFFINE).largest > 50


def test_slices_follow_each_other_along_the_normal() -> None:
    for geometry in (phantom.AXIAL, phantom.CORONAL, phantom.SAGITTAL, phantom.OBLIQUE):
        positions = np.array(geometry.positions())
        np.testing.assert_allclose(np.diff(positions, axis=0) @ geometry.normal, geometry.step, atol=1e-5)
        datasets = phantom.series(geometry)
        assert [ds.InstanceNumber for ds in datasets] == list(range(1, geometry.count + 1))
