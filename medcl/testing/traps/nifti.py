"""Traps of NIfTI: form codes, units, slopes, packing, and numbers that must stay what they are."""

from __future__ import annotations

import gzip
import struct
from typing import Any

import nibabel
import numpy as np

from medcl.testing.phantom import Truth, enhanced, tissue
from medcl.testing.traps.base import Catalog, Files, Outcome, Truths

CATALOG = Catalog()
SHAPE = (24, 20, 16)
AFFINE = np.array([[-5.0, 0, 0, 57], [0, 6.0, 0, -60], [0, 0, 7.5, -55], [0, 0, 0, 1]])
OBLIQUE = np.array(
    [[3.6, -3.6, 0.0, -8.0], [3.6 * 0.96, 3.6 * 0.96, -2.0, -75.0], [3.6 * 0.28, 3.6 * 0.28, 48 / 7, -60.0],
     [0, 0, 0, 1]]
)  # fmt: skip
SHEARED = AFFINE + np.array([[0, 0, 2.0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
UPRIGHT = np.diag([5.0, 6.0, 7.5, 1.0])
PIXDIM, SLOPE, SFORM_X = 76, 112, 280
"""Where the header (version 1) keeps these numbers."""


def trap(why: str, *truths: Truths, flags: str = "", reasons: str = "", outcome: Outcome = "right",
         tolerance: float = 0.51, unused: int = 0) -> Any:  # fmt: skip
    """Take the decorated builder into the list of traps of the survey's table A2."""
    return CATALOG.trap("A2", why, *truths, flags=flags, reasons=reasons, outcome=outcome,
                          tolerance=tolerance, unit="a.u.", unused=unused)  # fmt: skip


def sampled(truth: Truth = tissue, affine: np.ndarray = AFFINE) -> np.ndarray:
    """Return a truth on a grid, float32."""
    index = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1)
    places = index @ affine[:3, :3].T + affine[:3, 3]
    return np.asarray(truth(places * [-1.0, -1.0, 1.0]), np.float32)


def image(array: np.ndarray, affine: np.ndarray = AFFINE, sform: int = 1, qform: int = 0) -> Any:
    """Return a NIfTI image with its form codes as given."""
    made = nibabel.Nifti1Image(array, affine, dtype=array.dtype)
    made.set_sform(affine, code=sform)
    made.header["qform_code"] = qform
    made.header.set_xyzt_units("mm")
    return made


def edited(made: Any, edits: dict[int, bytes]) -> bytes:
    """Return an image's bytes with raw bytes of its header replaced."""
    content = bytearray(made.to_bytes())
    for offset, replacement in edits.items():
        content[offset : offset + len(replacement)] = replacement
    return bytes(content)


def one(made: Any) -> Files:
    return {"one.nii": made if isinstance(made, bytes) else made.to_bytes()}


@trap("sform and qform disagree about left and right: the sform is used, and doubted", flags="XFORM_CONFLICT")
def forms_conflict() -> Files:
    made = image(sampled())
    made.set_qform(np.diag([-1.0, 1, 1, 1]) @ AFFINE, code=1)
    return one(made)


@trap("both form codes are 0: the voxel axes are taken, and their sides are unknown", flags="XFORM_UNKNOWN")
def forms_unset() -> Files:
    return one(image(sampled(affine=UPRIGHT), UPRIGHT, sform=0))


@trap("a qform alone")
def qform_alone() -> Files:
    made = image(sampled(), sform=0)
    made.set_qform(AFFINE, code=1)
    return one(made)


@trap("pixdim and sform disagree: the sform is trusted", flags="PIXDIM_CONFLICT")
def pixdim_conflict() -> Files:
    return one(edited(image(sampled()), {PIXDIM + 4: struct.pack("<f", 9.0)}))


@trap("a negative pixdim", flags="PIXDIM_NEGATIVE")
def pixdim_negative() -> Files:
    return one(edited(image(sampled()), {PIXDIM + 4: struct.pack("<f", -5.0)}))


def _in_units(unit: str, scale: float) -> Files:
    made = image(sampled(), np.diag([scale, scale, scale, 1.0]) @ AFFINE)
    made.header.set_xyzt_units(unit)
    return one(made)


@trap("lengths in metres", flags="UNITS_SCALED")
def units_meters() -> Files:
    return _in_units("meter", 1e-3)


@trap("lengths in micrometers", flags="UNITS_SCALED")
def units_micrometers() -> Files:
    return _in_units("micron", 1e3)


def far(points: np.ndarray) -> np.ndarray:
    """Return the phantom a thousand times as large."""
    return tissue(points / 1000)


@trap("lengths that no scanner has", far, flags="SPACING_IMPLAUSIBLE", outcome="held")
def units_implausible() -> Files:
    return _in_units("meter", 1.0)


@trap("a slope of 0 means none")
def slope_zero() -> Files:
    whole = np.round(sampled()).astype(np.int16)
    return one(edited(image(whole), {SLOPE: struct.pack("<ff", 0.0, 100.0)}))


@trap("a slope that is no number means none")
def slope_nan() -> Files:
    whole = np.round(sampled()).astype(np.int16)
    return one(edited(image(whole), {SLOPE: struct.pack("<ff", np.nan, np.nan)}))


@trap("slope and intercept that are set", flags="RESCALED", tolerance=0.3)
def slope_set() -> Files:
    whole = np.round((sampled() + 1024) * 2).astype(np.int16)
    return one(edited(image(whole), {SLOPE: struct.pack("<ff", 0.5, -1024.0)}))


@trap("a few voxels are no number", flags="NONFINITE")
def not_numbers() -> Files:
    values = sampled()
    values[3, 4, 5:9], values[0, 0, 0] = np.nan, np.inf
    return one(image(values))


@trap("a tenth of the voxels is no number", flags="NONFINITE_MANY", outcome="held")
def not_numbers_many() -> Files:
    values = sampled()
    values[:3] = np.nan
    return one(image(values))


@trap("four dimensions with a unit of time: frames", tissue, enhanced, flags="FRAME_OF_MANY")
def frames() -> Files:
    made = image(np.stack([sampled(), sampled(enhanced)], axis=-1))
    made.header.set_xyzt_units("mm", "sec")
    return one(made)


@trap("five dimensions, the fourth of size 1: channels", tissue, enhanced, flags="FRAME_OF_MANY")
def vector() -> Files:
    return one(image(np.stack([sampled(), sampled(enhanced)], axis=-1)[:, :, :, None, :]))


@trap("a gzip that is cut off", outcome="refused", reasons="TRUNCATED", unused=1)
def gzip_cut() -> Files:
    packed = gzip.compress(image(sampled()).to_bytes(), mtime=0)
    return {"one.nii.gz": packed[: len(packed) // 2]}


@trap("a whole gzip of half a file", outcome="refused", reasons="TRUNCATED", unused=1)
def gzip_of_half() -> Files:
    content = image(sampled()).to_bytes()
    return {"one.nii.gz": gzip.compress(content[: len(content) // 2], mtime=0)}


@trap("a gzip whose checksum is wrong", outcome="refused", reasons="DAMAGED", unused=1)
def gzip_checksum() -> Files:
    packed = bytearray(gzip.compress(image(sampled()).to_bytes(), mtime=0))
    packed[-6] ^= 0xFF
    return {"one.nii.gz": bytes(packed)}


@trap("a plain file under the name .nii.gz")
def plain_named_gzip() -> Files:
    return {"one.nii.gz": image(sampled()).to_bytes()}


@trap("a gzip under the name .nii")
def gzip_named_plain() -> Files:
    return {"one.nii": gzip.compress(image(sampled()).to_bytes(), mtime=0)}


@trap("a sheared sform", flags="SHEARED")
def sheared() -> Files:
    return one(image(sampled(affine=SHEARED), SHEARED))


@trap("an affine with a column of zeros", outcome="refused", reasons="AFFINE_DEGENERATE", unused=1)
def column_of_zeros() -> Files:
    flat = {SFORM_X + 16 * row: struct.pack("<f", 0.0) for row in range(3)}
    return one(edited(image(sampled()), flat))


def shade(points: np.ndarray) -> np.ndarray:
    """Return the phantom in 8 bits."""
    return np.clip((tissue(points) + 1024) / 8, 0, 255)


@trap("color as RGB24", shade, flags="COLOR_VOLUME")
def color() -> Files:
    red = np.round(sampled(shade)).astype(np.uint8)
    whole = np.stack([red, 255 - red, red // 2], axis=-1)
    made = image(whole.view(np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]))[..., 0])
    return one(edited(made, {SLOPE: np.array([0.5, 3], "<f4").tobytes()}))


def regions(points: np.ndarray) -> np.ndarray:
    """Return labels beyond 2^24, above which float32 has no odd numbers."""
    return (1 << 24) + 1 + 2 * (points[..., 0] > 10) + 4.0 * (points[..., 1] > 5)


def _labels(dtype: type) -> Files:
    whole = sampled(lambda points: regions(points) - (1 << 24)).astype(dtype) + dtype(1 << 24)
    return one(image(whole))


@trap("labels of 32 bits that float32 cannot hold", regions)
def labels_32() -> Files:
    return _labels(np.int32)


@trap("labels of 64 bits that float32 cannot hold", regions)
def labels_64() -> Files:
    return _labels(np.int64)


def bright(points: np.ndarray) -> np.ndarray:
    """Return the phantom above what signed 16 bits hold."""
    return tissue(points) + 40_000


@trap("unsigned 16 bits above 32767", bright)
def unsigned() -> Files:
    return one(image(np.round(sampled(bright)).astype(np.uint16)))


@trap("a.nii and a.nii.gz in one folder are two scans", tissue, enhanced)
def same_stem() -> Files:
    packed = gzip.compress(image(sampled(enhanced)).to_bytes(), mtime=0)
    return {"a.nii": image(sampled()).to_bytes(), "a.nii.gz": packed}


@trap("axes near 45 degrees: the closest canonical order is reached once, and exactly")
def oblique() -> Files:
    return one(image(sampled(affine=OBLIQUE), OBLIQUE))


@trap("big endian")
def big_endian() -> Files:
    made = image(sampled())
    return one(nibabel.Nifti1Image(sampled(), AFFINE, made.header.as_byteswapped(">")))


@trap("version 2")
def version_2() -> Files:
    return one(nibabel.Nifti2Image(sampled(), AFFINE))
