"""Traps of projections, ultrasound, color and captures."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import ExplicitVRBigEndian

from medcl.testing.phantom import CORONAL, encoded, image, put, series, set_pixels, tissue
from medcl.testing.traps.base import Catalog, Files, Picture

CATALOG = Catalog()
trap = CATALOG.trap
TOP = 4095


def _shadow() -> np.ndarray:
    """Return a picture of 12 bits: a coronal cut of the phantom."""
    points = CORONAL.points(CORONAL.positions()[12])
    return (np.round(tissue(points)) + 1024).astype(np.uint16)


def projection(stored: np.ndarray, modality: str = "DX", **tags: Any) -> Dataset:
    """Return a radiograph without any spacing."""
    ds = image(stored, modality=modality)
    uid = "1.2.840.10008.5.1.4.1.1.1.1" if modality == "DX" else "1.2.840.10008.5.1.4.1.1.1"
    put(ds, SOPClassUID=uid, ImageType=["ORIGINAL", "PRIMARY"], RescaleSlope=None, RescaleIntercept=None,
        SliceThickness=None, FrameOfReferenceUID=None, PresentationIntentType="FOR PRESENTATION")  # fmt: skip
    return put(ds, **tags)


def _one(ds: Dataset) -> Files:
    return {"one": encoded(ds)}


GRAY = _shadow()
DARK = Picture((TOP - GRAY).astype(np.uint16))


@trap("17", "MONOCHROME1", DARK, flags="MONO1_INVERTED SPACING_UNKNOWN", unit="a.u.")
def monochrome1() -> Files:
    return _one(put(projection(GRAY), PhotometricInterpretation="MONOCHROME1"))


@trap("17", "MONOCHROME1 and an inverse presentation shape: the same said twice, inverted once", DARK,
      flags="MONO1_INVERTED", unit="a.u.")  # fmt: skip
def monochrome1_inverse() -> Files:
    return _one(
        put(projection(GRAY), PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE")
    )


@trap("17", "MONOCHROME2 with an inverse presentation shape", DARK, flags="MONO1_INVERTED", unit="a.u.")
def monochrome2_inverse() -> Files:
    return _one(put(projection(GRAY), PresentationLUTShape="INVERSE"))


@trap("17b", "PixelSpacing calibrated on the patient, beside the detector's", Picture(GRAY, (0.2, 0.2)),
      unit="a.u.")  # fmt: skip
def spacing_calibrated() -> Files:
    return _one(projection(GRAY, PixelSpacing=[0.2, 0.2], ImagerPixelSpacing=[0.3, 0.3]))


@trap("17b", "ImagerPixelSpacing only", Picture(GRAY, (0.15, 0.15)), flags="SPACING_AT_DETECTOR", unit="a.u.")
def spacing_at_detector() -> Files:
    return _one(projection(GRAY, ImagerPixelSpacing=[0.15, 0.15]))


@trap("17b", "ImagerPixelSpacing and the magnification", Picture(GRAY, (0.12, 0.12)), unit="a.u.")
def spacing_magnified() -> Files:
    return _one(
        projection(GRAY, ImagerPixelSpacing=[0.15, 0.15], EstimatedRadiographicMagnificationFactor=1.25)
    )


@trap("17b", "NominalScannedPixelSpacing of a digitized film", Picture(GRAY, (0.1, 0.2)), unit="a.u.")
def spacing_scanned() -> Files:
    return _one(projection(GRAY, "CR", NominalScannedPixelSpacing=[0.1, 0.2]))


@trap("17b", "no spacing at all: none is made up", Picture(GRAY), flags="SPACING_UNKNOWN", unit="a.u.")
def spacing_nowhere() -> Files:
    return _one(projection(GRAY))


def _windowed(values: np.ndarray, center: float, width: float) -> np.ndarray:
    shown = np.clip((values - (center - 0.5)) / (width - 1) + 0.5, 0, 1)
    return np.round(shown * TOP).astype(np.uint16)


@trap("+", "a radiograph for presentation with a window", Picture(_windowed(GRAY.astype(float), 900, 1200)),
      flags="VOI_APPLIED", unit="a.u.")  # fmt: skip
def window_linear() -> Files:
    return _one(projection(GRAY, WindowCenter=900, WindowWidth=1200))


SIGMOID = np.round(TOP / (1 + np.exp(-4 * (GRAY - 900.0) / 1200))).astype(np.uint16)


@trap("+", "a sigmoid window", Picture(SIGMOID, None, 1), flags="VOI_APPLIED", unit="a.u.")
def window_sigmoid() -> Files:
    return _one(projection(GRAY, WindowCenter=900, WindowWidth=1200, VOILUTFunction="SIGMOID"))


@trap("+", "MONOCHROME1 with a window: the window first, then the inversion",
      Picture(TOP - _windowed(GRAY.astype(float), 900, 1200)), flags="VOI_APPLIED MONO1_INVERTED",
      unit="a.u.")  # fmt: skip
def window_and_monochrome1() -> Files:
    ds = projection(GRAY, WindowCenter=900, WindowWidth=1200)
    return _one(put(ds, PhotometricInterpretation="MONOCHROME1"))


@trap("+", "a window in which nothing of the picture lies", Picture(GRAY), unit="a.u.")
def window_beside() -> Files:
    return _one(projection(GRAY, WindowCenter=-900, WindowWidth=100))


@trap("+", "a radiograph for processing: its window is not applied", Picture(GRAY), unit="a.u.")
def window_for_processing() -> Files:
    ds = projection(GRAY, WindowCenter=900, WindowWidth=1200, PresentationIntentType="FOR PROCESSING")
    return _one(ds)


@trap("+", "a modality table, then a window over its output",
      Picture(_windowed(GRAY.astype(float) / 2, 400, 800), None, 3), flags="LUT_APPLIED VOI_APPLIED",
      unit="a.u.")  # fmt: skip
def table_then_window() -> Files:
    item = put(Dataset(), LUTDescriptor=[4096, 0, 16], ModalityLUTType="US")
    item.add_new(0x00283006, "OW", (np.arange(4096) // 2).astype(np.uint16).tobytes())
    return _one(projection(GRAY, WindowCenter=400, WindowWidth=800, ModalityLUTSequence=Items([item])))


ROOT = np.round(np.sqrt(np.arange(TOP + 1) * float(TOP))).astype(np.uint16)


@trap("+", "a presentation table in a big-endian radiograph", Picture(ROOT[GRAY]), flags="VOI_APPLIED",
      unit="a.u.")  # fmt: skip
def presentation_table() -> Files:
    item = put(Dataset(), LUTDescriptor=[TOP + 1, 0, 12])
    item.add_new(0x00283006, "OW", ROOT.byteswap().tobytes())
    ds = projection(GRAY, VOILUTSequence=Items([item]), PixelData=GRAY.byteswap().tobytes())
    ds.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    return _one(ds)


def _colors(frames: int = 1) -> np.ndarray:
    down, across = np.meshgrid(np.arange(32), np.arange(40), indexing="ij")
    one = np.stack([down * 8, across * 6, (down + across) * 3], axis=-1)
    return np.stack([(one + 10 * number) % 256 for number in range(frames)]).astype(np.uint8)


def color(pixels: np.ndarray, photometric: str = "RGB", planar: int = 0, modality: str = "US") -> Dataset:
    """Return a color picture or cine of (frame, row, column, 3)."""
    ds = projection(GRAY, modality, PresentationIntentType=None)
    stored = pixels.transpose(0, 3, 1, 2) if planar else pixels
    put(ds, SOPClassUID="1.2.840.10008.5.1.4.1.1.3.1", Rows=pixels.shape[1], Columns=pixels.shape[2],
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


@trap("28", "an ultrasound cine in RGB", Picture(_colors(5)), unit="display", flags="BURNED_IN_RISK")
def cine_rgb() -> Files:
    return _one(color(_colors(5)))


@trap("28", "an ultrasound cine in YBR_FULL: turned into RGB once", Picture(_colors(5), None, 3),
      unit="display")  # fmt: skip
def cine_ybr() -> Files:
    return _one(color(_ybr(_colors(5)), "YBR_FULL"))


@trap("28", "regions say where the tissue is and how large its pixels are",
      Picture(_colors(3)[:, 4:28, 6:36], (0.5, 0.4)), unit="display")  # fmt: skip
def regions() -> Files:
    region = put(Dataset(), RegionSpatialFormat=1, RegionDataType=1, RegionFlags=0,
                 RegionLocationMinX0=6, RegionLocationMaxX1=35, RegionLocationMinY0=4,
                 RegionLocationMaxY1=27, PhysicalUnitsXDirection=3, PhysicalUnitsYDirection=3,
                 PhysicalDeltaX=0.04, PhysicalDeltaY=0.05)  # fmt: skip
    return _one(put(color(_colors(3)), SequenceOfUltrasoundRegions=Items([region])))


@trap("+", "color by plane", Picture(_colors()[0]), unit="display")
def color_by_plane() -> Files:
    return _one(color(_colors(), planar=1))


@trap("+", "gray stored as RGB", Picture(_colors()[0, ..., 0]), unit="display")
def gray_as_rgb() -> Files:
    return _one(color(np.repeat(_colors()[..., :1], 3, axis=-1)))


INDEX = np.ascontiguousarray(_colors()[0, ..., 0])


@trap("+", "a palette of 16-bit entries", Picture(np.stack([INDEX, 255 - INDEX, INDEX // 2], axis=-1)),
      flags="PALETTE", unit="display")  # fmt: skip
def palette() -> Files:
    ds = projection(GRAY, "US", PresentationIntentType=None)
    set_pixels(ds, INDEX)
    ds.PhotometricInterpretation = "PALETTE COLOR"
    ramp = np.arange(256)
    for color_name, table in (("Red", ramp), ("Green", 255 - ramp), ("Blue", ramp // 2)):
        setattr(ds, f"{color_name}PaletteColorLookupTableDescriptor", [256, 0, 16])
        setattr(ds, f"{color_name}PaletteColorLookupTableData", (table * 257).astype(np.uint16).tobytes())
    return _one(ds)


@trap("+", "a secondary capture", Picture(_colors()[0]), unit="display", flags="DERIVED BURNED_IN_RISK")
def secondary_capture() -> Files:
    ds = color(_colors(), modality="OT")
    return _one(put(ds, SOPClassUID="1.2.840.10008.5.1.4.1.1.7", ConversionType="WSD"))


FIRST = np.round(tissue(CORONAL.points(CORONAL.positions()[0]))) + 1024


@trap("+", "orientation and position are zeros: no place in space",
      Picture(FIRST.astype(np.uint16), (3.5, 3.0)), flags="NO_GEOM", unit="a.u.")  # fmt: skip
def zero_vectors() -> Files:
    zeros: dict[str, Any] = {"ImagePositionPatient": [0, 0, 0], "ImageOrientationPatient": [0, 0, 0, 0, 0, 0]}
    return _one(series(CORONAL, Modality="MR", RescaleSlope=None, RescaleIntercept=None, **zeros)[0])


@trap("+", "colors as hue, saturation and value", outcome="refused", reasons="UNDECODABLE", unused=1)
def colors_of_hue() -> Files:
    return _one(color(_colors(), "HSV"))


@trap("+", "colors of a video's kind", outcome="refused", reasons="UNDECODABLE", unused=1)
def colors_of_video() -> Files:
    return _one(color(_colors(), "YBR_PARTIAL_420"))
