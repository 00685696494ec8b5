"""A tilted volume on an orthogonal grid is still the phantom, and says where it was not measured."""

from __future__ import annotations

import io

import numpy as np
import pytest

from medcl.archive import Scan, dicom
from medcl.archive.geometry import is_sheared
from medcl.archive.resample import orthogonal
from medcl.testing import phantom


def read(geometry: phantom.Geometry) -> Scan:
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
    found = phantom.score(upright.array, upright.affine, phantom.tissue, upright.valid)
    assert found.largest < 12
    assert found.median < 1.0
    assert (upright.array[~upright.valid] <= upright.array.max()).all()
    assert upright.array[0, 0, 0] == -1024 or upright.valid[0, 0, 0]
    assert upright.spacing_mm == pytest.approx((3.0, 3.5, 3.6))


def test_every_measured_voxel_keeps_its_place() -> None:
    tilted = read(phantom.TILTED)
    upright = orthogonal(tilted)
    assert upright.valid is not None
    assert upright.valid.sum() >= 0.9 * tilted.array.size


def test_an_orthogonal_volume_comes_back_as_it_is() -> None:
    straight = read(phantom.OBLIQUE)
    assert orthogonal(straight) is straight
    picture = Scan(np.zeros((2, 2)), None, None, "uint8", "CR")
    assert orthogonal(picture) is picture
