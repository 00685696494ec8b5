"""Regions of an ultrasound picture: each image is a scan with the size of its own pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from medcl.archive.scan import Scan
from medcl.testing import phantom
from tests.archive.dicom.samples import Folder

IMAGE = np.random.default_rng(0).integers(0, 256, (3, 120, 200)).astype(np.uint8)
LEFT, RIGHT = (0, 90, 0, 99), (0, 90, 100, 199)
SPECTRUM = (92, 119, 0, 199)


def region(box: tuple[int, int, int, int], mm: float = 0.2, space: int = 1, kind: int = 1) -> Dataset:
    item = Dataset()
    item.RegionSpatialFormat, item.RegionDataType, item.RegionFlags = space, kind, 0
    item.RegionLocationMinY0, item.RegionLocationMaxY1 = box[:2]
    item.RegionLocationMinX0, item.RegionLocationMaxX1 = box[2:]
    item.PhysicalUnitsXDirection = item.PhysicalUnitsYDirection = 3 if mm else 0
    item.PhysicalDeltaX, item.PhysicalDeltaY = mm / 10, mm / 5
    return item


def scans(folder: Path, regions: list[Dataset], frames: int = 1, **tags: Any) -> list[Scan]:
    ds = phantom.image(IMAGE[0] if frames == 1 else IMAGE[:frames], modality="US")
    phantom.put(
        ds, SequenceOfUltrasoundRegions=Items(regions), RescaleSlope=None, RescaleIntercept=None, **tags
    )
    folder.mkdir(exist_ok=True)
    (folder / "us").write_bytes(phantom.encoded(ds))
    read = Folder(folder)
    assert read.reasons == {}
    assert len({stack.stack_key for stack in read.stacks}) == len(read.stacks)
    return sorted(map(read.scan, read.stacks), key=lambda scan: str(scan.spacing_mm))


def test_two_images_of_different_calibration_are_two_scans(tmp_path: Path) -> None:
    one, two = scans(tmp_path, [region(LEFT, 0.2), region(RIGHT, 0.3), region(SPECTRUM, 1.0, 3, 3)])
    assert (one.array == IMAGE[0][:91, :100]).all()
    assert (two.array == IMAGE[0][:91, 100:]).all()
    assert one.spacing_mm == pytest.approx((0.4, 0.2))
    assert two.spacing_mm == pytest.approx((0.6, 0.3))
    assert all("REGION_OF_MANY" in scan.flags and "REGIONS_OVERLAP" not in scan.flags for scan in (one, two))


@pytest.mark.parametrize("box", [(0, 0, 0, 0), (5, 5, 0, 99), (0, 90, 7, 7)])
def test_a_region_of_no_size_crops_nothing(box: tuple[int, int, int, int], tmp_path: Path) -> None:
    (scan,) = scans(tmp_path, [region(box)])
    assert (scan.array == IMAGE[0]).all()
    assert scan.spacing_mm is None


def test_an_image_without_calibration_does_not_take_that_of_its_neighbor(tmp_path: Path) -> None:
    one, two = scans(tmp_path, [region(LEFT, 0.2), region(RIGHT, 0.0)])
    assert one.spacing_mm == pytest.approx((0.4, 0.2))
    assert two.spacing_mm is None
    assert ("SPACING_UNKNOWN" in one.flags, "SPACING_UNKNOWN" in two.flags) == (False, True)


@pytest.mark.parametrize(("space", "kind"), [(2, 1), (3, 3), (3, 4), (4, 10), (5, 13), (1, 14), (1, 10)])
def test_motion_spectra_curves_and_bars_are_no_images(space: int, kind: int, tmp_path: Path) -> None:
    (scan,) = scans(tmp_path, [region(RIGHT, 0.2), region(LEFT, 0.3, space, kind)])
    assert (scan.array == IMAGE[0][:91, 100:]).all()
    assert "REGION_OF_MANY" not in scan.flags


def test_the_color_box_is_part_of_its_image(tmp_path: Path) -> None:
    (scan,) = scans(tmp_path, [region((10, 60, 20, 80), 0.2, kind=2), region(LEFT, 0.2)])
    assert scan.array.shape == (91, 100)
    assert "REGIONS_OVERLAP" not in scan.flags


def test_an_inset_of_another_size_is_flagged(tmp_path: Path) -> None:
    (scan,) = scans(tmp_path, [region((0, 30, 0, 30), 0.05), region(LEFT, 0.2)])
    assert scan.spacing_mm == pytest.approx((0.4, 0.2))
    assert "REGIONS_OVERLAP" in scan.flags


def test_regions_that_share_a_border_are_two(tmp_path: Path) -> None:
    one, two = scans(tmp_path, [region((0, 90, 0, 100), 0.2), region((0, 90, 100, 199), 0.3)])
    assert one.array.shape == (91, 101)
    assert two.array.shape == (91, 100)
    assert "REGIONS_OVERLAP" not in one.flags


@pytest.mark.parametrize(
    "tags", [{"FrameTime": 33.3, "FrameIncrementPointer": 0x00181063}, {"FrameTimeVector": [0, 30, 40]}]
)
def test_a_cine_of_two_images_is_two_cines(tags: dict[str, Any], tmp_path: Path) -> None:
    one, two = scans(tmp_path, [region(LEFT, 0.2), region(RIGHT, 0.3)], frames=3, **tags)
    assert (one.array == IMAGE[:, :91, :100]).all()
    assert (two.array == IMAGE[:, :91, 100:]).all()


def test_the_same_region_stated_twice_is_one(tmp_path: Path) -> None:
    (scan,) = scans(tmp_path, [region(LEFT, 0.0), region(LEFT, 0.2)])
    assert scan.spacing_mm == pytest.approx((0.4, 0.2))
