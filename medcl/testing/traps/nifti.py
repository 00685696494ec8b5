"""Traps of NIfTI: form codes, units, slopes, compression, and numbers that must be kept exactly."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from typing import Any

import nibabel
import numpy as np

from medcl.testing.phantom import PhantomFunction, enhanced, tissue
from medcl.testing.traps.base import Builder, ExpectedOutcome, Files, GroundTruth, TrapCollection

TRAPS = TrapCollection()
SHAPE = (24, 20, 16)
AFFINE = np.array([[-5.0, 0, 0, 57], [0, 6.0, 0, -60], [0, 0, 7.5, -55], [0, 0, 0, 1]])
OBLIQUE = np.array(
    [[3.6, -3.6, 0.0, -8.0], [3.6 * 0.96, 3.6 * 0.96, -2.0, -75.0], [3.6 * 0.28, 3.6 * 0.28, 48 / 7, -60.0],
     [0, 0, 0, 1]]
)  # fmt: skip
SHEARED = AFFINE + np.array([[0, 0, 2.0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
UPRIGHT = np.diag([5.0, 6.0, 7.5, 1.0])
PIXDIM, SLOPE, SFORM_X = 76, 112, 280
"""Byte offsets in the header of version 1."""


def trap(
    *truths: GroundTruth,
    flags: str = "",
    reasons: str = "",
    outcome: ExpectedOutcome = "right",
    tolerance: float = 0.51,
    unused: int = 0,
) -> Callable[[Builder], Builder]:
    """Add the decorated builder as a trap of NIfTI; see `TrapCollection.trap`."""
    return TRAPS.trap(
        "A2",
        *truths,
        flags=flags,
        reasons=reasons,
        outcome=outcome,
        tolerance=tolerance,
        unit="a.u.",
        unused=unused,
    )


def sampled(truth: PhantomFunction = tissue, affine: np.ndarray = AFFINE) -> np.ndarray:
    """Return the values of a phantom on a grid, float32."""
    index = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1)
    points = index @ affine[:3, :3].T + affine[:3, 3]
    return np.asarray(truth(points * [-1.0, -1.0, 1.0]), np.float32)


def image(array: np.ndarray, affine: np.ndarray = AFFINE, sform: int = 1, qform: int = 0) -> Any:
    """Return a NIfTI image with the given form codes."""
    nifti = nibabel.Nifti1Image(array, affine, dtype=array.dtype)
    nifti.set_sform(affine, code=sform)
    nifti.header["qform_code"] = qform
    nifti.header.set_xyzt_units("mm")
    return nifti


def edited(nifti: Any, edits: dict[int, bytes]) -> bytes:
    """Return the bytes of an image, with bytes of its header replaced at the given offsets."""
    content = bytearray(nifti.to_bytes())
    for offset, replacement in edits.items():
        content[offset : offset + len(replacement)] = replacement
    return bytes(content)


def single_file(nifti: Any) -> Files:
    """Return one file that holds an image or the given bytes."""
    return {"one.nii": nifti if isinstance(nifti, bytes) else nifti.to_bytes()}


@trap(flags="XFORM_CONFLICT")
def forms_conflict() -> Files:
    """The sform and the qform disagree about left and right: the sform is used and flagged."""
    nifti = image(sampled())
    nifti.set_qform(np.diag([-1.0, 1, 1, 1]) @ AFFINE, code=1)
    return single_file(nifti)


@trap(flags="XFORM_UNKNOWN")
def forms_unset() -> Files:
    """Both form codes are 0: the voxel axes are used, and left and right are unknown."""
    return single_file(image(sampled(affine=UPRIGHT), UPRIGHT, sform=0))


@trap()
def qform_alone() -> Files:
    """Only a qform is set."""
    nifti = image(sampled(), sform=0)
    nifti.set_qform(AFFINE, code=1)
    return single_file(nifti)


@trap(flags="PIXDIM_CONFLICT")
def pixdim_conflict() -> Files:
    """The pixdim and the sform disagree: the sform is used."""
    return single_file(edited(image(sampled()), {PIXDIM + 4: struct.pack("<f", 9.0)}))


@trap(flags="PIXDIM_NEGATIVE")
def pixdim_negative() -> Files:
    """A negative pixdim."""
    return single_file(edited(image(sampled()), {PIXDIM + 4: struct.pack("<f", -5.0)}))


def _in_units(unit: str, scale: float) -> Files:
    nifti = image(sampled(), np.diag([scale, scale, scale, 1.0]) @ AFFINE)
    nifti.header.set_xyzt_units(unit)
    return single_file(nifti)


@trap(flags="UNITS_SCALED")
def units_meters() -> Files:
    """Lengths in meters."""
    return _in_units("meter", 1e-3)


@trap(flags="UNITS_SCALED")
def units_micrometers() -> Files:
    """Lengths in micrometers."""
    return _in_units("micron", 1e3)


def far(points: np.ndarray) -> np.ndarray:
    """Return the phantom magnified a thousand times."""
    return tissue(points / 1000)


@trap(far, flags="SPACING_IMPLAUSIBLE", outcome="held")
def units_implausible() -> Files:
    """Lengths that no scanner produces."""
    return _in_units("meter", 1.0)


@trap()
def slope_zero() -> Files:
    """A slope of 0 means none."""
    whole = np.round(sampled()).astype(np.int16)
    return single_file(edited(image(whole), {SLOPE: struct.pack("<ff", 0.0, 100.0)}))


@trap()
def slope_nan() -> Files:
    """A slope that is not a number means none."""
    whole = np.round(sampled()).astype(np.int16)
    return single_file(edited(image(whole), {SLOPE: struct.pack("<ff", np.nan, np.nan)}))


@trap(flags="RESCALED", tolerance=0.3)
def slope_set() -> Files:
    """Slope and intercept are set."""
    whole = np.round((sampled() + 1024) * 2).astype(np.int16)
    return single_file(edited(image(whole), {SLOPE: struct.pack("<ff", 0.5, -1024.0)}))


@trap(flags="NONFINITE")
def not_numbers() -> Files:
    """A few voxels are not numbers."""
    values = sampled()
    values[3, 4, 5:9], values[0, 0, 0] = np.nan, np.inf
    return single_file(image(values))


@trap(flags="NONFINITE_MANY", outcome="held")
def not_numbers_many() -> Files:
    """A tenth of the voxels are not numbers."""
    values = sampled()
    values[:3] = np.nan
    return single_file(image(values))


@trap(tissue, enhanced, flags="FRAME_OF_MANY")
def frames() -> Files:
    """Four dimensions with a unit of time are frames."""
    nifti = image(np.stack([sampled(), sampled(enhanced)], axis=-1))
    nifti.header.set_xyzt_units("mm", "sec")
    return single_file(nifti)


@trap(tissue, enhanced, flags="FRAME_OF_MANY")
def vector() -> Files:
    """Five dimensions, the fourth of size 1, are channels."""
    return single_file(image(np.stack([sampled(), sampled(enhanced)], axis=-1)[:, :, :, None, :]))


@trap(outcome="refused", reasons="TRUNCATED", unused=1)
def gzip_cut() -> Files:
    """A gzip that is cut off."""
    packed = gzip.compress(image(sampled()).to_bytes(), mtime=0)
    return {"one.nii.gz": packed[: len(packed) // 2]}


@trap(outcome="refused", reasons="TRUNCATED", unused=1)
def gzip_of_half() -> Files:
    """An intact gzip of half a file."""
    content = image(sampled()).to_bytes()
    return {"one.nii.gz": gzip.compress(content[: len(content) // 2], mtime=0)}


@trap(outcome="refused", reasons="DAMAGED", unused=1)
def gzip_checksum() -> Files:
    """A gzip whose checksum is wrong."""
    packed = bytearray(gzip.compress(image(sampled()).to_bytes(), mtime=0))
    packed[-6] ^= 0xFF
    return {"one.nii.gz": bytes(packed)}


@trap()
def plain_named_gzip() -> Files:
    """An uncompressed file named .nii.gz."""
    return {"one.nii.gz": image(sampled()).to_bytes()}


@trap()
def gzip_named_plain() -> Files:
    """A gzip named .nii."""
    return {"one.nii": gzip.compress(image(sampled()).to_bytes(), mtime=0)}


@trap(flags="SHEARED")
def sheared() -> Files:
    """A sheared sform."""
    return single_file(image(sampled(affine=SHEARED), SHEARED))


@trap(outcome="refused", reasons="AFFINE_DEGENERATE", unused=1)
def column_of_zeros() -> Files:
    """An affine with a column of zeros."""
    flat = {SFORM_X + 16 * row: struct.pack("<f", 0.0) for row in range(3)}
    return single_file(edited(image(sampled()), flat))


def shade(points: np.ndarray) -> np.ndarray:
    """Return the phantom in 8 bits."""
    return np.clip((tissue(points) + 1024) / 8, 0, 255)


@trap(shade, flags="COLOR_VOLUME")
def color() -> Files:
    """Color as RGB24."""
    red = np.round(sampled(shade)).astype(np.uint8)
    whole = np.stack([red, 255 - red, red // 2], axis=-1)
    nifti = image(whole.view(np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]))[..., 0])
    return single_file(edited(nifti, {SLOPE: np.array([0.5, 3], "<f4").tobytes()}))


def regions(points: np.ndarray) -> np.ndarray:
    """Return labels beyond 2^24, above which float32 has no odd numbers."""
    return (1 << 24) + 1 + 2 * (points[..., 0] > 10) + 4.0 * (points[..., 1] > 5)


def _labels(dtype: type) -> Files:
    whole = sampled(lambda points: regions(points) - (1 << 24)).astype(dtype) + dtype(1 << 24)
    return single_file(image(whole))


@trap(regions)
def labels_32() -> Files:
    """Labels of 32 bits that float32 cannot hold."""
    return _labels(np.int32)


@trap(regions)
def labels_64() -> Files:
    """Labels of 64 bits that float32 cannot hold."""
    return _labels(np.int64)


def bright(points: np.ndarray) -> np.ndarray:
    """Return the phantom with values that exceed signed 16 bits."""
    return tissue(points) + 40_000


@trap(bright)
def unsigned() -> Files:
    """Unsigned 16 bits above 32767."""
    return single_file(image(np.round(sampled(bright)).astype(np.uint16)))


@trap(tissue, enhanced)
def same_stem() -> Files:
    """A.nii and a.nii.gz in one folder are two scans."""
    packed = gzip.compress(image(sampled(enhanced)).to_bytes(), mtime=0)
    return {"a.nii": image(sampled()).to_bytes(), "a.nii.gz": packed}


@trap()
def oblique() -> Files:
    """Axes near 45 degrees: the closest canonical order is unique and exact."""
    return single_file(image(sampled(affine=OBLIQUE), OBLIQUE))


@trap()
def big_endian() -> Files:
    """Big endian."""
    nifti = image(sampled())
    return single_file(nibabel.Nifti1Image(sampled(), AFFINE, nifti.header.as_byteswapped(">")))


@trap()
def version_2() -> Files:
    """Version 2."""
    return single_file(nibabel.Nifti2Image(sampled(), AFFINE))
