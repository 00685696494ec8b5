"""A tilted volume on an orthogonal grid is still the phantom, and says where it was not measured."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from medcl.archive import Scan, dicom
from medcl.archive.geometry import is_sheared
from medcl.archive.resample import orthogonal, orthogonal_labels
from medcl.testing import phantom


def read(geometry: phantom.SliceGeometry) -> Scan:
    contents = [phantom.encoded(ds) for ds in phantom.series(geometry)]
    headers = [dicom.read_header(io.BytesIO(content), len(content)) for content in contents]
    ((_, *rest), verdicts) = dicom.group([(n, header) for n, header in enumerate(headers) if header])
    assert not rest
    assert not verdicts
    return dicom.assemble([lambda content=content: io.BytesIO(content) for content in contents])


def test_a_tilted_volume_becomes_orthogonal_and_stays_in_place() -> None:
    tilted = read(phantom.TILTED)
    assert tilted.affine is not None
    assert is_sheared(tilted.affine)
    upright = orthogonal(tilted)
    assert upright.affine is not None
    assert upright.valid is not None
    assert not is_sheared(upright.affine)
    deviation = phantom.deviation(upright.array, upright.affine, phantom.tissue, upright.valid)
    assert deviation.largest < 12
    assert deviation.median < 1.0
    assert (upright.array[~upright.valid] <= upright.array.max()).all()
    assert upright.array[0, 0, 0] == -1024 or upright.valid[0, 0, 0]
    assert upright.spacing_mm == pytest.approx((3.0, 3.5, 3.6))


def test_every_measured_voxel_keeps_its_place() -> None:
    tilted = read(phantom.TILTED)
    upright = orthogonal(tilted)
    assert upright.valid is not None
    assert upright.valid.sum() >= 0.9 * tilted.array.size


def test_labels_go_where_their_voxels_go() -> None:
    tilted = read(phantom.TILTED)
    upright = orthogonal(tilted)
    assert tilted.affine is not None
    assert upright.valid is not None
    labels = (tilted.array > 0).astype(np.uint8) * 3
    moved = orthogonal_labels(labels, tilted.affine)
    assert moved.shape == upright.array.shape
    assert set(np.unique(moved)) == {0, 3}
    assert (moved > 0).sum() == (labels > 0).sum()
    inside = ndimage.binary_erosion((moved > 0) & upright.valid)
    assert inside.sum() > 1000
    assert (upright.array[inside] > -25).all()
    assert orthogonal_labels(labels, np.eye(4)) is labels


def test_a_sheared_volume_of_color_moves_with_its_channels() -> None:
    tilted = read(phantom.TILTED)
    gray = np.clip(tilted.array // 8 + 128, 0, 255).astype(np.uint8)
    color = replace(tilted, array=np.stack([gray, gray, 255 - gray], axis=-1), unit="display", valid=None)
    moved = orthogonal(color)
    alone = orthogonal(replace(color, array=gray))
    assert moved.array.shape == (*alone.array.shape, 3)
    np.testing.assert_array_equal(moved.array[..., 0], alone.array)


def test_an_orthogonal_volume_comes_back_as_it_is() -> None:
    straight = read(phantom.OBLIQUE)
    assert orthogonal(straight) is straight
    image = Scan(np.zeros((2, 2)), None, None, "display", "CR")
    assert orthogonal(image) is image
