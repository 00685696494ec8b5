"""Traps of stored bits, calibration and compression."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from medcl.testing.phantom import AXIAL, files, put, series, set_pixels, tissue
from medcl.testing.traps.base import Catalog, Files

CATALOG = Catalog()
trap = CATALOG.trap
PADDING = -2000
BECQUERELS = 2.0e8 / 70000


def raw(points: np.ndarray) -> np.ndarray:
    """Return stored values of the series: HU + 1024."""
    return tissue(points) + 1024


def activity(points: np.ndarray) -> np.ndarray:
    """Return kBq/ml of a PET that follows the phantom."""
    return (tissue(points) + 1024) * 0.01


def stored(ds: Dataset) -> np.ndarray:
    """Return a slice's HU as signed integers."""
    return np.frombuffer(ds.PixelData, np.uint16).reshape(ds.Rows, ds.Columns).astype(np.int32) - 1024


def _pet(scale: float = 1.0, **tags: Any) -> list[Dataset]:
    tags = {"Units": "BQML", **tags}
    slices = series(Modality="PT", SOPClassUID="1.2.840.10008.5.1.4.1.1.128",
                    ImageType=["ORIGINAL", "PRIMARY"], **tags)  # fmt: skip
    for number, ds in enumerate(slices):
        values = (stored(ds) + 1024) * 0.01 * scale
        slope = round(float(values.max()) / 32000 * (1 + 0.03 * number), 9)
        set_pixels(ds, np.round(values / slope).astype(np.int16))
        put(ds, RescaleSlope=slope, RescaleIntercept=0)
    return slices


@trap("11", "PET with a slope of its own in every slice, without the tags of SUV", activity, unit="Bq/ml",
      tolerance=0.01, flags="SUV_UNKNOWN")  # fmt: skip
def pet_slopes() -> Files:
    return files(_pet())


def pet_with_dose(**tags: Any) -> list[Dataset]:
    """Return a PET whose tags allow SUV, which are `activity`."""
    drug = put(Dataset(), RadionuclideTotalDose=2.0e8 * 2, RadionuclideHalfLife=6586.2,
               RadiopharmaceuticalStartTime="080000")  # fmt: skip
    of_dose = {
        "CorrectedImage": ["ATTN", "DECY"], "DecayCorrection": "START", "PatientWeight": 70,
        "SeriesTime": "094946.2", "RadiopharmaceuticalInformationSequence": Items([drug]),
    }  # fmt: skip
    return _pet(BECQUERELS, **{**of_dose, **tags})


@trap("11", "PET whose tags allow SUV", activity, unit="SUV", tolerance=0.01, flags="SUV")
def pet_suv() -> Files:
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
            ds.add_new(0x00280120, "SS", PADDING)
    return slices


@trap("12", "signed pixels with padding of -2000 by PixelPaddingValue", flags="PAD_MASKED")
def padding_stated() -> Files:
    return files(_padded(tag=True))


@trap("12", "padding of -2000 outside the reconstruction that no tag states", flags="PAD_MASKED")
def padding_unstated() -> Files:
    return files(_padded(tag=False))


@trap("12", "a range of padding values", flags="PAD_MASKED")
def padding_range() -> Files:
    slices = _padded(tag=True)
    for ds in slices:
        values = np.frombuffer(ds.PixelData, np.int16).copy()
        values[np.flatnonzero(values == PADDING)[::2]] = PADDING + 300
        put(ds, PixelData=values.tobytes()).add_new(0x00280121, "SS", PADDING + 300)
    return files(slices)


@trap("12", "a range of padding values that 12 bits do not hold", flags="PAD_MASKED")
def padding_range_above() -> Files:
    slices = series()
    for ds in slices:
        values = np.frombuffer(ds.PixelData, np.uint16).copy()
        values[:96] = np.arange(96) % 10 + 63536
        put(ds, PixelData=values.tobytes()).add_new(0x00280120, "US", 63536)
        ds.add_new(0x00280121, "US", 63545)
    return files(slices)


@trap("12", "12 signed bits in 16, the upper bits filled with an overlay", flags="OVERLAY_MASKED")
def signed_with_overlay_bits() -> Files:
    slices = series()
    for number, ds in enumerate(slices):
        values = stored(ds)
        bits = (values & 0xFFF).astype(np.uint16)
        bits[5:9, 5:9] |= 0x8000 if number % 2 else 0x1000
        set_pixels(ds, bits)
        put(ds, RescaleIntercept=0, BitsStored=12, HighBit=11, PixelRepresentation=1)
    return files(slices)


@trap("+", "HighBit is 15: the value stands in the upper bits")
def high_bit() -> Files:
    slices = series()
    for ds in slices:
        set_pixels(ds, ((stored(ds) + 1024) << 4).astype(np.uint16))
        put(ds, BitsStored=12, HighBit=15)
    return files(slices)


@trap("18", "a modality look-up table instead of slope and intercept", flags="LUT_APPLIED", tolerance=1.01)
def modality_table() -> Files:
    table = np.round(np.arange(4096) * 0.5 + 60).astype(np.uint16)
    item = put(Dataset(), LUTDescriptor=[4096, 0, 16], ModalityLUTType="HU")
    item.add_new(0x00283006, "OW", table.tobytes())
    slices = series(RescaleSlope=None, RescaleIntercept=None)
    for ds in slices:
        set_pixels(ds, np.clip((stored(ds) + 1024 - 60) * 2, 0, 4095).astype(np.uint16), bits=12)
        ds.ModalityLUTSequence = Items([item])
    return files(slices)


def _shifted(points: np.ndarray) -> np.ndarray:
    """What `modality_table` holds: its table gives no negative HU."""
    return np.clip(tissue(points) + 1024, 60, None)


CATALOG.traps[-1] = replace(CATALOG.traps[-1], truths=(_shifted,))


@trap("+", "slope and intercept are fractions", tolerance=0.9)
def fractional_slope() -> Files:
    slices = series()
    for ds in slices:
        set_pixels(ds, np.round((stored(ds) + 1000.5) / 0.75 + 200).astype(np.uint16))
        put(ds, RescaleSlope="0.75", RescaleIntercept="-1150.5")
    return files(slices)


@trap("30", "a CT with an empty RescaleSlope", raw, unit="a.u.", flags="UNCALIBRATED")
def slope_empty() -> Files:
    return files(series(RescaleSlope="", RescaleIntercept=""))


@trap("30", "a CT without rescale values", raw, unit="a.u.", flags="UNCALIBRATED")
def slope_absent() -> Files:
    return files(series(RescaleSlope=None, RescaleIntercept=None))


@trap("30", "a CT whose slope is zero", raw, unit="a.u.", flags="UNCALIBRATED")
def slope_zero() -> Files:
    return files(series(RescaleSlope="0", RescaleIntercept="0"))


@trap("30", "a CT without rescale values whose stored numbers are HU", unit="a.u.",
      flags="UNCALIBRATED HU_LIKELY")  # fmt: skip
def slope_absent_hu() -> Files:
    slices = series(RescaleSlope=None, RescaleIntercept=None)
    for ds in slices:
        set_pixels(ds, stored(ds).astype(np.int16))
    return files(slices)


@trap("+", "an MR whose slope is the maker's business: arbitrary units", lambda p: raw(p) * 0.5, unit="a.u.")
def mr_slope() -> Files:
    return files(series(Modality="MR", SOPClassUID="1.2.840.10008.5.1.4.1.1.4", RescaleSlope="0.5",
                        RescaleIntercept="0"))  # fmt: skip


@trap("+", "pixels are 32-bit floats")
def float_pixels() -> Files:
    slices = series()
    for ds in slices:
        values = stored(ds).astype(np.float32)
        put(ds, PixelData=None, BitsAllocated=32, BitsStored=32, HighBit=31, RescaleIntercept=0)
        ds.FloatPixelData = values.tobytes()
    return files(slices)


@trap("+", "pixels are 64-bit floats, a few of them no number", flags="NONFINITE")
def double_pixels() -> Files:
    slices = series()
    for ds in slices:
        values = stored(ds).astype(np.float64)
        values[0, 0] = np.nan
        put(ds, PixelData=None, BitsAllocated=64, BitsStored=64, HighBit=63, RescaleIntercept=0)
        ds.DoubleFloatPixelData = values.tobytes()
    return files(slices)


@trap("+", "32-bit integers")
def wide_integers() -> Files:
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


@trap("19", "RLE")
def run_length() -> Files:
    return _compressed("1.2.840.10008.1.2.5")


@trap("20", "JPEG-LS")
def jpeg_ls() -> Files:
    return _compressed("1.2.840.10008.1.2.4.80")


@trap("21", "JPEG 2000")
def jpeg_2000() -> Files:
    return _compressed("1.2.840.10008.1.2.4.90")


@trap("+", "JPEG 2000 of unsigned numbers under a header that says signed", flags="PIXELREP_MISMATCH")
def jpeg_2000_sign() -> Files:
    slices = series()
    for ds in slices:
        set_pixels(ds, (stored(ds) & 0xFFFF).astype(np.uint16), bits=16)
        ds.compress("1.2.840.10008.1.2.4.90", generate_instance_uid=False)
        put(ds, PixelRepresentation=1, RescaleIntercept=0)
    return files(slices)


def _rewritten(syntax: Any) -> Files:
    slices = series()
    for ds in slices:
        ds.file_meta.TransferSyntaxUID = syntax
        if syntax == ExplicitVRBigEndian:
            ds.PixelData = np.frombuffer(ds.PixelData, np.uint16).byteswap().tobytes()
    return files(slices)


@trap("22", "deflated")
def deflated() -> Files:
    return _rewritten(DeflatedExplicitVRLittleEndian)


@trap("23", "big endian")
def big_endian() -> Files:
    return _rewritten(ExplicitVRBigEndian)


@trap("+", "implicit VR")
def implicit() -> Files:
    return _rewritten(ImplicitVRLittleEndian)
