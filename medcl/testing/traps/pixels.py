"""Traps of stored bits, calibration and compression."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    MRImageStorage,
    PositronEmissionTomographyImageStorage,
    RLELossless,
)

from medcl.testing.phantom import AXIAL, files, put, series, set_pixels, tissue
from medcl.testing.traps.base import Files, TrapCollection

TRAPS = TrapCollection()
trap = TRAPS.trap
PADDING = -2000
BECQUERELS = 2.0e8 / 70000


def raw(points: np.ndarray) -> np.ndarray:
    """Return the stored values of a series, HU + 1024."""
    return tissue(points) + 1024


def activity(points: np.ndarray) -> np.ndarray:
    """Return the kBq/ml of a PET that follows the phantom."""
    return (tissue(points) + 1024) * 0.01


def stored(ds: Dataset) -> np.ndarray:
    """Return the HU of a slice as signed integers."""
    return np.frombuffer(ds.PixelData, np.uint16).reshape(ds.Rows, ds.Columns).astype(np.int32) - 1024


def _pet(scale: float = 1.0, **tags: Any) -> list[Dataset]:
    tags = {"Units": "BQML", **tags}
    slices = series(Modality="PT", SOPClassUID=PositronEmissionTomographyImageStorage,
                    ImageType=["ORIGINAL", "PRIMARY"], **tags)  # fmt: skip
    for number, ds in enumerate(slices):
        values = (stored(ds) + 1024) * 0.01 * scale
        slope = round(float(values.max()) / 32000 * (1 + 0.03 * number), 9)
        set_pixels(ds, np.round(values / slope).astype(np.int16))
        put(ds, RescaleSlope=slope, RescaleIntercept=0)
    return slices


@trap("11", activity, unit="Bq/ml", tolerance=0.01, flags="SUV_UNKNOWN")
def pet_slopes() -> Files:
    """A PET with a different slope in every slice, without the tags that SUV needs."""
    return files(_pet())


def pet_with_dose(**tags: Any) -> list[Dataset]:
    """Return a PET whose tags allow SUV, with `activity` as the SUV."""
    drug = put(Dataset(), RadionuclideTotalDose=2.0e8 * 2, RadionuclideHalfLife=6586.2,
               RadiopharmaceuticalStartTime="080000")  # fmt: skip
    dose_tags = {
        "CorrectedImage": ["ATTN", "DECY"], "DecayCorrection": "START", "PatientWeight": 70,
        "SeriesTime": "094946.2", "RadiopharmaceuticalInformationSequence": Items([drug]),
    }  # fmt: skip
    return _pet(BECQUERELS, **{**dose_tags, **tags})


@trap("11", activity, unit="SUV", tolerance=0.01, flags="SUV")
def pet_suv() -> Files:
    """A PET whose tags allow SUV."""
    return files(pet_with_dose())


def _padded(tag: bool) -> list[Dataset]:
    slices = series()
    across, down = np.meshgrid(np.linspace(-1, 1, AXIAL.columns), np.linspace(-1, 1, AXIAL.rows))
    outside = across**2 + down**2 > 1.0
    for ds in slices:
        values = np.where(outside, PADDING, stored(ds)).astype(np.int16)
        set_pixels(ds, values)
        put(ds, RescaleIntercept=0)
        if tag:
            ds.add_new("PixelPaddingValue", "SS", PADDING)
    return slices


@trap("12", flags="PAD_MASKED")
def padding_stated() -> Files:
    """Signed pixels with padding of -2000 by PixelPaddingValue."""
    return files(_padded(tag=True))


@trap("12", flags="PAD_MASKED")
def padding_unstated() -> Files:
    """Padding of -2000 outside the reconstruction that no tag states."""
    return files(_padded(tag=False))


@trap("12", flags="PAD_MASKED")
def padding_range() -> Files:
    """A range of padding values."""
    slices = _padded(tag=True)
    for ds in slices:
        values = np.frombuffer(ds.PixelData, np.int16).copy()
        values[np.flatnonzero(values == PADDING)[::2]] = PADDING + 300
        put(ds, PixelData=values.tobytes()).add_new("PixelPaddingRangeLimit", "SS", PADDING + 300)
    return files(slices)


@trap("12", flags="PAD_MASKED")
def padding_range_above() -> Files:
    """A range of padding values that exceeds 12 bits."""
    slices = series()
    for ds in slices:
        values = np.frombuffer(ds.PixelData, np.uint16).copy()
        values[:96] = np.arange(96) % 10 + 63536
        put(ds, PixelData=values.tobytes()).add_new("PixelPaddingValue", "US", 63536)
        ds.add_new("PixelPaddingRangeLimit", "US", 63545)
    return files(slices)


@trap("12", flags="OVERLAY_MASKED")
def signed_with_overlay_bits() -> Files:
    """12 signed bits in 16, the upper bits filled with an overlay."""
    slices = series()
    for number, ds in enumerate(slices):
        values = stored(ds)
        bits = (values & 0xFFF).astype(np.uint16)
        bits[5:9, 5:9] |= 0x8000 if number % 2 else 0x1000
        set_pixels(ds, bits)
        put(ds, RescaleIntercept=0, BitsStored=12, HighBit=11, PixelRepresentation=1)
    return files(slices)


@trap("+")
def high_bit() -> Files:
    """HighBit is 15: the value is in the upper bits."""
    slices = series()
    for ds in slices:
        set_pixels(ds, ((stored(ds) + 1024) << 4).astype(np.uint16))
        put(ds, BitsStored=12, HighBit=15)
    return files(slices)


@trap("18", unit="a.u.", flags="LUT_APPLIED UNCALIBRATED", tolerance=1.01)
def modality_table() -> Files:
    """A modality look-up table instead of slope and intercept; it states HU but cannot hold air."""
    table = np.round(np.arange(4096) * 0.5 + 60).astype(np.uint16)
    item = put(Dataset(), LUTDescriptor=[4096, 0, 16], ModalityLUTType="HU")
    item.add_new("LUTData", "OW", table.tobytes())
    slices = series(RescaleSlope=None, RescaleIntercept=None)
    for ds in slices:
        set_pixels(ds, np.clip((stored(ds) + 1024 - 60) * 2, 0, 4095).astype(np.uint16), bits=12)
        ds.ModalityLUTSequence = Items([item])
    return files(slices)


def _shifted(points: np.ndarray) -> np.ndarray:
    """Return the HU of `modality_table`, whose table cannot hold lower values."""
    return np.asarray(np.clip(tissue(points) + 1024, 60, None))


TRAPS.traps[-1] = replace(TRAPS.traps[-1], truths=(_shifted,))


@trap("+", tolerance=0.9)
def fractional_slope() -> Files:
    """Slope and intercept are fractions."""
    slices = series()
    for ds in slices:
        set_pixels(ds, np.round((stored(ds) + 1000.5) / 0.75 + 200).astype(np.uint16))
        put(ds, RescaleSlope="0.75", RescaleIntercept="-1150.5")
    return files(slices)


@trap("30", raw, unit="a.u.", flags="UNCALIBRATED")
def slope_empty() -> Files:
    """A CT with an empty RescaleSlope."""
    return files(series(RescaleSlope="", RescaleIntercept=""))


@trap("30", raw, unit="a.u.", flags="UNCALIBRATED")
def slope_absent() -> Files:
    """A CT without rescale values."""
    return files(series(RescaleSlope=None, RescaleIntercept=None))


@trap("30", raw, unit="a.u.", flags="UNCALIBRATED")
def slope_zero() -> Files:
    """A CT whose slope is zero."""
    return files(series(RescaleSlope="0", RescaleIntercept="0"))


@trap("30", unit="a.u.", flags="UNCALIBRATED HU_LIKELY")
def slope_absent_hu() -> Files:
    """A CT without rescale values whose stored numbers are HU."""
    slices = series(RescaleSlope=None, RescaleIntercept=None)
    for ds in slices:
        set_pixels(ds, stored(ds).astype(np.int16))
    return files(slices)


@trap("+", lambda p: raw(p) * 0.5, unit="a.u.")
def mr_slope() -> Files:
    """An MR whose slope is specific to the manufacturer: arbitrary units."""
    return files(series(Modality="MR", SOPClassUID=MRImageStorage, RescaleSlope="0.5",
                        RescaleIntercept="0"))  # fmt: skip


@trap("+")
def float_pixels() -> Files:
    """Pixels are 32-bit floats."""
    slices = series()
    for ds in slices:
        values = stored(ds).astype(np.float32)
        put(ds, PixelData=None, BitsAllocated=32, BitsStored=32, HighBit=31, RescaleIntercept=0)
        ds.FloatPixelData = values.tobytes()
    return files(slices)


@trap("+", flags="NONFINITE")
def double_pixels() -> Files:
    """Pixels are 64-bit floats, and a few are not numbers."""
    slices = series()
    for ds in slices:
        values = stored(ds).astype(np.float64)
        values[0, 0] = np.nan
        put(ds, PixelData=None, BitsAllocated=64, BitsStored=64, HighBit=63, RescaleIntercept=0)
        ds.DoubleFloatPixelData = values.tobytes()
    return files(slices)


@trap("+")
def wide_integers() -> Files:
    """32-bit integers."""
    slices = series()
    for ds in slices:
        put(ds, PixelData=stored(ds).astype(np.int32).tobytes(), BitsAllocated=32, BitsStored=32, HighBit=31,
            PixelRepresentation=1, RescaleIntercept=0)  # fmt: skip
    return files(slices)


def _compressed(syntax: str) -> Files:
    slices = series()
    for ds in slices:
        ds.compress(syntax, generate_instance_uid=False)
    return files(slices)


@trap("19")
def run_length() -> Files:
    """RLE."""
    return _compressed(RLELossless)


@trap("20")
def jpeg_ls() -> Files:
    """JPEG-LS."""
    return _compressed(JPEGLSLossless)


@trap("21")
def jpeg_2000() -> Files:
    """JPEG 2000."""
    return _compressed(JPEG2000Lossless)


@trap("+", flags="PIXELREP_MISMATCH")
def jpeg_2000_sign() -> Files:
    """JPEG 2000 of unsigned numbers under a header that says signed."""
    slices = series()
    for ds in slices:
        set_pixels(ds, (stored(ds) & 0xFFFF).astype(np.uint16), bits=16)
        ds.compress(JPEG2000Lossless, generate_instance_uid=False)
        put(ds, PixelRepresentation=1, RescaleIntercept=0)
    return files(slices)


def _rewritten(syntax: Any) -> Files:
    slices = series()
    for ds in slices:
        ds.file_meta.TransferSyntaxUID = syntax
        if syntax == ExplicitVRBigEndian:
            ds.PixelData = np.frombuffer(ds.PixelData, np.uint16).byteswap().tobytes()
    return files(slices)


@trap("22")
def deflated() -> Files:
    """Deflated."""
    return _rewritten(DeflatedExplicitVRLittleEndian)


@trap("23")
def big_endian() -> Files:
    """Big endian."""
    return _rewritten(ExplicitVRBigEndian)


@trap("+")
def implicit() -> Files:
    """Implicit VR."""
    return _rewritten(ImplicitVRLittleEndian)
