"""Slices tiled into one picture: tiles of United Imaging are a volume; those of unknown place are refused."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from medcl.testing import phantom
from tests.archive.dicom.samples import Folder

GEOMETRY = replace(phantom.OBLIQUE, rows=20, columns=24, spacing=(7.0, 6.0), count=11)


def tiled(count: int = GEOMETRY.count) -> Dataset:
    """Return slices on a grid of as many columns as the square root of their number, rounded up."""
    slices = phantom.series(replace(GEOMETRY, count=count), Modality="MR")
    across = math.ceil(math.sqrt(count))
    down = math.ceil(count / across)
    whole = np.zeros((down, GEOMETRY.rows, across, GEOMETRY.columns), np.uint16)
    for number, ds in enumerate(slices):
        tile = np.frombuffer(ds.PixelData, np.uint16).reshape(GEOMETRY.rows, GEOMETRY.columns)
        whole[number // across, :, number % across] = tile
    one = slices[0]
    phantom.set_pixels(one, whole.reshape(down * GEOMETRY.rows, across * GEOMETRY.columns))
    items = []
    for ds in slices:
        items.append(Dataset())
        items[-1].ImagePositionPatient = ds.ImagePositionPatient
    block = one.private_block(0x0065, "Image Private Header", create=True)
    block.add_new(0x50, "DS", str(count))
    block.add_new(0x51, "SQ", Items(items))
    return phantom.put(one, ImageType=["ORIGINAL", "PRIMARY", "M", "VFRAME"], Manufacturer="UIH")


def folder_of(ds: Dataset, path: Path) -> Folder:
    (path / "one").write_bytes(phantom.encoded(ds))
    return Folder(path)


@pytest.mark.parametrize("count", [4, 7, 11, 12])
def test_tiles_of_united_imaging_are_a_volume(count: int, tmp_path: Path) -> None:
    folder = folder_of(tiled(count), tmp_path)
    (stack,) = folder.stacks
    scan = folder.scan(stack)
    assert scan.array.size == count * 20 * 24
    assert "MOSAIC" in scan.flags
    assert scan.affine is not None
    assert phantom.deviation(scan.array, scan.affine).largest < 0.51


@pytest.mark.parametrize("element", [0x50, 0x51])
def test_tiles_without_their_private_elements_are_refused_with_what_to_do(
    element: int, tmp_path: Path
) -> None:
    ds = tiled()
    del ds[0x0065, 0x1000 + element]
    assert list(folder_of(ds, tmp_path).reasons.values()) == ["TILES_UNPLACED"]


def test_a_number_of_tiles_that_does_not_divide_the_picture_contradicts_it(tmp_path: Path) -> None:
    ds = tiled(11)
    ds[0x0065, 0x1050].value = "13"
    ds[0x0065, 0x1051].value = Items([*ds[0x0065, 0x1051].value, *ds[0x0065, 0x1051].value[:2]])
    ds.Rows -= 1
    assert list(folder_of(ds, tmp_path).reasons.values()) == ["BAD_HEADER"]
