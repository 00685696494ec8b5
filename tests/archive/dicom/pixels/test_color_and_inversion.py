"""Depth of color, shape of pixels and inversion of what is dark where values are high."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from medcl.archive import Scan, dicom
from medcl.testing import phantom
from medcl.testing.phantom import encoded, put, series, set_pixels, tissue
from medcl.testing.traps.geometry import multiframe
from medcl.testing.traps.images import GRAY, color, projection
from medcl.testing.traps.pixels import pet_with_dose


def read(*datasets: Dataset) -> Scan:
    """Return the only scan of some files."""
    files = [encoded(ds) for ds in datasets]
    headers = []
    for number, content in enumerate(files):
        header = dicom.read_header(io.BytesIO(content), len(content))
        assert header is not None
        headers.append((number, header))
    (stack,), _ = dicom.group(headers)
    scan = dicom.assemble([lambda content=content: io.BytesIO(content) for content in files])
    assert scan.array.shape == stack.shape or scan.array.shape == stack.shape[:-1]
    return scan


COLORS = np.random.default_rng(0).integers(0, 256, (1, 12, 10, 3))


@pytest.mark.parametrize(
    ("allocated", "stored", "high", "planar"),
    [
        (8, 8, 7, 0),
        (16, 8, 7, 0),
        (16, 10, 9, 0),
        (16, 12, 11, 1),
        (16, 12, 15, 0),
        (16, 16, 15, 0),
        (32, 16, 15, 0),
    ],
)
def test_color_of_every_depth(allocated: int, stored: int, high: int, planar: int) -> None:
    samples = (COLORS << (stored - 8) << (high + 1 - stored)).astype(f"u{allocated // 8}")
    ds = color(samples, planar=planar)
    put(ds, BitsAllocated=allocated, BitsStored=stored, HighBit=high)
    ds["PixelData"].VR = "OB" if allocated == 8 else "OW"
    scan = read(ds)
    np.testing.assert_array_equal(scan.array, COLORS[0])
    assert scan.unit == "display"
    assert ("DEPTH_REDUCED" in scan.flags) == (stored > 8)


def dark(**tags: Any) -> list[Dataset]:
    """Return a series in which high values are dark."""
    slices = series(**{"RescaleSlope": None, "RescaleIntercept": None, "Modality": "MR", **tags})
    for ds in slices:
        values = 4095 - np.frombuffer(ds.PixelData, np.uint16).reshape(ds.Rows, ds.Columns)
        put(ds, PixelData=values.astype(np.uint16).tobytes(), PhotometricInterpretation="MONOCHROME1")
    return slices


def _assert_truth(scan: Scan, offset: float = 1024) -> None:
    assert scan.affine is not None
    assert phantom.deviation(scan.array, scan.affine, lambda p: tissue(p) + offset).largest <= 0.51


def test_a_volume_is_inverted_once() -> None:
    scan = read(*dark())
    assert "MONO1_INVERTED" in scan.flags
    _assert_truth(scan)
    _assert_truth(read(*dark(PresentationLUTShape="INVERSE")))
    slices = dark()
    for ds in slices:
        put(
            ds,
            PhotometricInterpretation="MONOCHROME2",
            PresentationLUTShape="INVERSE",
            WindowCenter=40,
            WindowWidth=9,
        )
    _assert_truth(read(*slices))


def test_an_enhanced_volume_is_inverted() -> None:
    ds = multiframe(np.arange(24))
    del ds.SharedFunctionalGroupsSequence[0].PixelValueTransformationSequence
    values = 4095 - np.frombuffer(ds.PixelData, np.uint16)
    put(ds, Modality="MR", PixelData=values.tobytes(), PhotometricInterpretation="MONOCHROME1")
    scan = read(ds)
    assert "MONO1_INVERTED" in scan.flags
    _assert_truth(scan)


def test_slices_of_different_scales_stay_comparable_when_inverted() -> None:
    slices = dark(RescaleSlope=1, RescaleIntercept=0)
    for number, ds in enumerate(slices):
        values = np.frombuffer(ds.PixelData, np.uint16).reshape(ds.Rows, ds.Columns)
        set_pixels(ds, (values // 4 * (4 // (1 + number % 2))).astype(np.uint16), bits=12)
        put(ds, RescaleSlope=1 + number % 2, PhotometricInterpretation="MONOCHROME1")
    scan = read(*slices)
    assert scan.affine is not None
    offset = phantom.deviation(scan.array, scan.affine, lambda p: tissue(p) + 1024)
    assert offset.largest <= 4.6


@pytest.mark.parametrize("modality", ["CT", "PT", "NM"])
def test_measurements_are_kept_however_they_are_shown(modality: str) -> None:
    slices = pet_with_dose() if modality == "PT" else series(Modality=modality)
    plain = read(*slices)
    shown = read(*(put(ds, PhotometricInterpretation="MONOCHROME1") for ds in slices))
    np.testing.assert_array_equal(shown.array, plain.array)
    assert shown.unit == plain.unit
    assert set(shown.flags) - set(plain.flags) == {"MONO1_KEPT"}


def test_the_unit_of_a_ct_by_a_table_is_that_of_the_table() -> None:
    for kind, unit in (("HU", "HU"), ("US", "HU"), ("Z_EFF", "a.u."), ("ED", "a.u.")):
        item = put(Dataset(), LUTDescriptor=[4096, 0, 16], ModalityLUTType=kind)
        item.add_new("LUTData", "OW", np.arange(4096, dtype=np.uint16).tobytes())
        slices = series(RescaleSlope=None, RescaleIntercept=None, ModalityLUTSequence=Sequence([item]))
        content = encoded(slices[0])
        header = dicom.read_header(io.BytesIO(content), len(content))
        assert header is not None
        (stack,), _ = dicom.group([(0, header)])
        assert stack.unit == unit
        assert ("UNCALIBRATED" in stack.flags) == (unit != "HU")


@pytest.mark.parametrize(("intercept", "unit"), [(-1024, "HU"), (0, "a.u."), (-2048, "a.u.")])
def test_hu_are_checked_against_air_and_water(intercept: int, unit: str) -> None:
    scan = read(*series(RescaleIntercept=intercept))
    assert scan.unit == unit
    assert ("UNCALIBRATED" in scan.flags) == (unit != "HU")
    _assert_truth(scan, offset=1024 + intercept)


def test_pixels_that_are_not_square_are_resampled_without_millimeters() -> None:
    scan = read(projection(GRAY, PixelAspectRatio=["2", "1"]))
    assert scan.array.shape == (GRAY.shape[0] * 2, GRAY.shape[1])
    assert scan.spacing_mm is None
    assert {"ASPECT_CORRECTED", "SPACING_UNKNOWN"} <= set(scan.flags)
    np.testing.assert_allclose(scan.array.reshape(-1, 2, GRAY.shape[1]).mean(1)[1:-1], GRAY[1:-1], atol=60)
    assert read(projection(GRAY, PixelAspectRatio=["1", "2"])).array.shape == (
        GRAY.shape[0],
        GRAY.shape[1] * 2,
    )
    cine = read(put(color(np.repeat(COLORS, 3, 0).astype(np.uint8)), PixelAspectRatio=["5", "4"]))
    assert cine.array.shape == (3, 15, 10, 3)


@pytest.mark.parametrize(
    "tags",
    [
        {"PixelAspectRatio": ["1", "1"]},
        {"PixelAspectRatio": ["0", "1"]},
        {"PixelAspectRatio": ["40", "1"]},
        {"PixelAspectRatio": ["2", "1"], "PixelSpacing": [0.4, 0.2]},
        {"PixelAspectRatio": ["2", "1"], "ImagerPixelSpacing": [0.4, 0.2]},
    ],
)
def test_square_pixels_and_known_millimeters_stay(tags: dict[str, Any]) -> None:
    scan = read(projection(GRAY, **tags))
    np.testing.assert_array_equal(scan.array, GRAY)
    assert "ASPECT_CORRECTED" not in scan.flags
