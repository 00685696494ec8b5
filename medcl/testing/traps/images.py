"""Traps of projections, ultrasound, color and captures."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRBigEndian,
    SecondaryCaptureImageStorage,
    UltrasoundMultiFrameImageStorage,
)

from medcl.testing.phantom import CORONAL, encoded, image, put, series, set_pixels, tissue
from medcl.testing.traps.base import ExpectedImage, Files, TrapCollection

TRAPS = TrapCollection()
trap = TRAPS.trap
TOP = 4095


def _shadow() -> np.ndarray:
    """Return an image of 12 bits, a coronal slice of the phantom."""
    points = CORONAL.points(CORONAL.positions()[12])
    return (np.round(tissue(points)) + 1024).astype(np.uint16)


def projection(stored: np.ndarray, modality: str = "DX", **tags: Any) -> Dataset:
    """Return a radiograph without pixel spacing."""
    ds = image(stored, modality=modality)
    uid = DigitalXRayImageStorageForPresentation if modality == "DX" else ComputedRadiographyImageStorage
    put(ds, SOPClassUID=uid, ImageType=["ORIGINAL", "PRIMARY"], RescaleSlope=None, RescaleIntercept=None,
        SliceThickness=None, FrameOfReferenceUID=None, PresentationIntentType="FOR PRESENTATION")  # fmt: skip
    return put(ds, **tags)


def _one(ds: Dataset) -> Files:
    return {"one": encoded(ds)}


GRAY = _shadow()
DARK = ExpectedImage((TOP - GRAY).astype(np.uint16))


@trap("17", DARK, flags="MONO1_INVERTED SPACING_UNKNOWN", unit="a.u.")
def monochrome1() -> Files:
    """MONOCHROME1."""
    return _one(put(projection(GRAY), PhotometricInterpretation="MONOCHROME1"))


@trap("17", DARK, flags="MONO1_INVERTED", unit="a.u.")
def monochrome1_inverse() -> Files:
    """MONOCHROME1 with an inverse presentation shape: both mean the same, inverted once."""
    return _one(
        put(projection(GRAY), PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE")
    )


@trap("17", DARK, flags="MONO1_INVERTED", unit="a.u.")
def monochrome2_inverse() -> Files:
    """MONOCHROME2 with an inverse presentation shape."""
    return _one(put(projection(GRAY), PresentationLUTShape="INVERSE"))


@trap("17b", ExpectedImage(GRAY, (0.2, 0.2)), unit="a.u.")
def spacing_calibrated() -> Files:
    """PixelSpacing is calibrated on the patient, beside the spacing at the detector."""
    return _one(projection(GRAY, PixelSpacing=[0.2, 0.2], ImagerPixelSpacing=[0.3, 0.3]))


@trap("17b", ExpectedImage(GRAY, (0.15, 0.15)), flags="SPACING_AT_DETECTOR", unit="a.u.")
def spacing_at_detector() -> Files:
    """ImagerPixelSpacing only."""
    return _one(projection(GRAY, ImagerPixelSpacing=[0.15, 0.15]))


@trap("17b", ExpectedImage(GRAY, (0.12, 0.12)), unit="a.u.")
def spacing_magnified() -> Files:
    """ImagerPixelSpacing and the magnification."""
    return _one(
        projection(GRAY, ImagerPixelSpacing=[0.15, 0.15], EstimatedRadiographicMagnificationFactor=1.25)
    )


@trap("17b", ExpectedImage(GRAY, (0.1, 0.2)), unit="a.u.")
def spacing_scanned() -> Files:
    """NominalScannedPixelSpacing of a digitized film."""
    return _one(projection(GRAY, "CR", NominalScannedPixelSpacing=[0.1, 0.2]))


@trap("17b", ExpectedImage(GRAY), flags="SPACING_UNKNOWN", unit="a.u.")
def spacing_nowhere() -> Files:
    """No spacing at all: none is invented."""
    return _one(projection(GRAY))


def _windowed(values: np.ndarray, center: float, width: float) -> np.ndarray:
    shown = np.clip((values - (center - 0.5)) / (width - 1) + 0.5, 0, 1)
    return np.round(shown * TOP).astype(np.uint16)


@trap("+", ExpectedImage(_windowed(GRAY.astype(float), 900, 1200)), flags="VOI_APPLIED", unit="a.u.")
def window_linear() -> Files:
    """A radiograph for presentation with a window."""
    return _one(projection(GRAY, WindowCenter=900, WindowWidth=1200))


SIGMOID = np.round(TOP / (1 + np.exp(-4 * (GRAY - 900.0) / 1200))).astype(np.uint16)


@trap("+", ExpectedImage(SIGMOID, None, 1), flags="VOI_APPLIED", unit="a.u.")
def window_sigmoid() -> Files:
    """A sigmoid window."""
    return _one(projection(GRAY, WindowCenter=900, WindowWidth=1200, VOILUTFunction="SIGMOID"))


@trap(
    "+",
    ExpectedImage(TOP - _windowed(GRAY.astype(float), 900, 1200)),
    flags="VOI_APPLIED MONO1_INVERTED",
    unit="a.u.",
)
def window_and_monochrome1() -> Files:
    """MONOCHROME1 with a window: the window first, then the inversion."""
    ds = projection(GRAY, WindowCenter=900, WindowWidth=1200)
    return _one(put(ds, PhotometricInterpretation="MONOCHROME1"))


@trap("+", ExpectedImage(GRAY), unit="a.u.")
def window_beside() -> Files:
    """A window outside of the range of the image."""
    return _one(projection(GRAY, WindowCenter=-900, WindowWidth=100))


@trap("+", ExpectedImage(GRAY), unit="a.u.")
def window_for_processing() -> Files:
    """A radiograph for processing: its window is not applied."""
    ds = projection(GRAY, WindowCenter=900, WindowWidth=1200, PresentationIntentType="FOR PROCESSING")
    return _one(ds)


@trap(
    "+",
    ExpectedImage(_windowed(GRAY.astype(float) / 2, 400, 800), None, 3),
    flags="LUT_APPLIED VOI_APPLIED",
    unit="a.u.",
)
def table_then_window() -> Files:
    """A modality look-up table, then a window on its output."""
    item = put(Dataset(), LUTDescriptor=[4096, 0, 16], ModalityLUTType="US")
    item.add_new("LUTData", "OW", (np.arange(4096) // 2).astype(np.uint16).tobytes())
    return _one(projection(GRAY, WindowCenter=400, WindowWidth=800, ModalityLUTSequence=Items([item])))


ROOT = np.round(np.sqrt(np.arange(TOP + 1) * float(TOP))).astype(np.uint16)


@trap("+", ExpectedImage(ROOT[GRAY]), flags="VOI_APPLIED", unit="a.u.")
def presentation_table() -> Files:
    """A VOI look-up table in a big-endian radiograph."""
    item = put(Dataset(), LUTDescriptor=[TOP + 1, 0, 12])
    item.add_new("LUTData", "OW", ROOT.byteswap().tobytes())
    ds = projection(GRAY, VOILUTSequence=Items([item]), PixelData=GRAY.byteswap().tobytes())
    ds.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    return _one(ds)


def _colors(frames: int = 1) -> np.ndarray:
    down, across = np.meshgrid(np.arange(32), np.arange(40), indexing="ij")
    one = np.stack([down * 8, across * 6, (down + across) * 3], axis=-1)
    return np.stack([(one + 10 * number) % 256 for number in range(frames)]).astype(np.uint8)


def color(pixels: np.ndarray, photometric: str = "RGB", planar: int = 0, modality: str = "US") -> Dataset:
    """Return a color image or cine of (frame, row, column, 3)."""
    ds = projection(GRAY, modality, PresentationIntentType=None)
    stored = pixels.transpose(0, 3, 1, 2) if planar else pixels
    put(ds, SOPClassUID=UltrasoundMultiFrameImageStorage, Rows=pixels.shape[1], Columns=pixels.shape[2],
        SamplesPerPixel=3, PlanarConfiguration=planar, PhotometricInterpretation=photometric,
        BitsAllocated=8, BitsStored=8, HighBit=7, PixelRepresentation=0,
        NumberOfFrames=len(pixels), PixelData=np.ascontiguousarray(stored).tobytes())  # fmt: skip
    ds["PixelData"].VR = "OB"
    return ds


def _ybr(pixels: np.ndarray) -> np.ndarray:
    r, g, b = (pixels[..., channel].astype(float) for channel in range(3))
    y = 0.299 * r + 0.587 * g + 0.114 * b
    channels = [y, 128 + (b - y) * 0.5 / 0.886, 128 + (r - y) * 0.5 / 0.701]
    return np.clip(np.round(np.stack(channels, axis=-1)), 0, 255).astype(np.uint8)


@trap("28", ExpectedImage(_colors(5)), unit="display", flags="BURNED_IN_RISK")
def cine_rgb() -> Files:
    """An ultrasound cine in RGB."""
    return _one(color(_colors(5)))


@trap("28", ExpectedImage(_colors(5), None, 3), unit="display")
def cine_ybr() -> Files:
    """An ultrasound cine in YBR_FULL: converted to RGB once."""
    return _one(color(_ybr(_colors(5)), "YBR_FULL"))


@trap("28", ExpectedImage(_colors(3)[:, 4:28, 6:36], (0.5, 0.4)), unit="display")
def regions() -> Files:
    """Ultrasound regions state where the tissue is and how large its pixels are."""
    region = put(Dataset(), RegionSpatialFormat=1, RegionDataType=1, RegionFlags=0,
                 RegionLocationMinX0=6, RegionLocationMaxX1=35, RegionLocationMinY0=4,
                 RegionLocationMaxY1=27, PhysicalUnitsXDirection=3, PhysicalUnitsYDirection=3,
                 PhysicalDeltaX=0.04, PhysicalDeltaY=0.05)  # fmt: skip
    return _one(put(color(_colors(3)), SequenceOfUltrasoundRegions=Items([region])))


@trap("+", ExpectedImage(_colors()[0]), unit="display")
def color_by_plane() -> Files:
    """Color by plane."""
    return _one(color(_colors(), planar=1))


@trap("+", ExpectedImage(_colors()[0, ..., 0]), unit="display")
def gray_as_rgb() -> Files:
    """Gray stored as RGB."""
    return _one(color(np.repeat(_colors()[..., :1], 3, axis=-1)))


INDEX = np.ascontiguousarray(_colors()[0, ..., 0])


@trap(
    "+", ExpectedImage(np.stack([INDEX, 255 - INDEX, INDEX // 2], axis=-1)), flags="PALETTE", unit="display"
)
def palette() -> Files:
    """A palette of 16-bit entries."""
    ds = projection(GRAY, "US", PresentationIntentType=None)
    set_pixels(ds, INDEX)
    ds.PhotometricInterpretation = "PALETTE COLOR"
    ramp = np.arange(256)
    for color_name, table in (("Red", ramp), ("Green", 255 - ramp), ("Blue", ramp // 2)):
        setattr(ds, f"{color_name}PaletteColorLookupTableDescriptor", [256, 0, 16])
        setattr(ds, f"{color_name}PaletteColorLookupTableData", (table * 257).astype(np.uint16).tobytes())
    return _one(ds)


@trap("+", ExpectedImage(_colors()[0]), unit="display", flags="DERIVED BURNED_IN_RISK")
def secondary_capture() -> Files:
    """A secondary capture."""
    ds = color(_colors(), modality="OT")
    return _one(put(ds, SOPClassUID=SecondaryCaptureImageStorage, ConversionType="WSD"))


FIRST = np.round(tissue(CORONAL.points(CORONAL.positions()[0]))) + 1024


@trap("+", ExpectedImage(FIRST.astype(np.uint16), (3.5, 3.0)), flags="NO_GEOM", unit="a.u.")
def zero_vectors() -> Files:
    """Orientation and position are zeros: the position in space is unknown."""
    zeros: dict[str, Any] = {"ImagePositionPatient": [0, 0, 0], "ImageOrientationPatient": [0, 0, 0, 0, 0, 0]}
    return _one(series(CORONAL, Modality="MR", RescaleSlope=None, RescaleIntercept=None, **zeros)[0])


@trap("+", outcome="refused", reasons="UNDECODABLE", unused=1)
def colors_of_hue() -> Files:
    """Colors as hue, saturation and value (HSV)."""
    return _one(color(_colors(), "HSV"))


@trap("+", outcome="refused", reasons="UNDECODABLE", unused=1)
def colors_of_video() -> Files:
    """Colors in a video color space."""
    return _one(color(_colors(), "YBR_PARTIAL_420"))
