"""Traps of series that mix slices of two kinds: two scales, two phases, two parts."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from medcl.testing.phantom import (
    AXIAL,
    OBLIQUE,
    encoded,
    enhanced,
    files,
    put,
    series,
    tissue,
)
from medcl.testing.traps.base import Files, TrapCollection
from medcl.testing.traps.geometry import multiframe
from medcl.testing.traps.pixels import BECQUERELS, activity, pet_with_dose, raw, stored

TRAPS = TrapCollection()
trap = TRAPS.trap
FRAME_BYTES = AXIAL.rows * AXIAL.columns * 2


def becquerels(points: np.ndarray) -> np.ndarray:
    """Return the Bq/ml of a PET whose dose is known."""
    return activity(points) * BECQUERELS


@trap("30", flags="GAP UNCALIBRATED")
def slope_absent_in_some() -> Files:
    """2 of 24 slices of a CT lack the rescale values."""
    slices = series()
    for number in (7, 15):
        put(slices[number], RescaleSlope=None, RescaleIntercept=None)
    return files(slices)


@trap("+", raw, unit="a.u.", flags="IRREGULAR_MATRIX")
def mr_slope_in_some() -> Files:
    """Half of an MR's slices state a slope."""
    slices = series(Modality="MR", RescaleSlope=None, RescaleIntercept=None)
    for ds in slices[12:]:
        put(ds, RescaleSlope=3, RescaleIntercept=500)
    return files(slices)


@trap("11", activity, unit="SUV", tolerance=0.01, flags="SUV GAP SUV_UNKNOWN")
def suv_in_some() -> Files:
    """One slice of a PET lacks the weight that SUV needs."""
    slices = pet_with_dose()
    put(slices[9], PatientWeight=None)
    return files(slices)


@trap("11", becquerels, unit="Bq/ml", tolerance=16.0, flags="SUV_UNKNOWN")
def suv_of_later_series() -> Files:
    """A PET series that was computed after acquisition: the start of decay is not known."""
    return files(pet_with_dose(AcquisitionTime="093000"))


@trap("11", becquerels, unit="a.u.", tolerance=16.0, flags="SUV_UNKNOWN")
def suv_by_lean_mass() -> Files:
    """A PET in SUV by lean body mass."""
    return files(pet_with_dose(Units="GML", SUVType="LBM"))


@trap("11", becquerels, unit="Bq/ml", tolerance=16.0, flags="SUV_UNKNOWN")
def dose_in_megabecquerels() -> Files:
    """A PET whose dose is written in MBq."""
    slices = pet_with_dose()
    for ds in slices:
        ds.RadiopharmaceuticalInformationSequence[0].RadionuclideTotalDose = 400
    return files(slices)


def _phases(second: dict[str, Any], shift: float = 0.0, **tags: Any) -> list[Dataset]:
    """Return two alternating phases of one series, the second shifted along the normal."""
    x, y, z = AXIAL.center
    one = series(**tags)
    moved = replace(AXIAL, center=(x, y, z + shift))
    two = series(moved, enhanced, name="b", SeriesInstanceUID=one[0].SeriesInstanceUID, **{**tags, **second})
    return [ds for pair in zip(one, two, strict=True) for ds in pair]


@trap("10", tissue, enhanced, flags="SPLIT")
def phases_apart() -> Files:
    """Two phases between which the table moved by 1.5 mm."""
    return files(_phases({"AcquisitionNumber": 2}, shift=1.5))


@trap("10", tissue, enhanced, flags="SPLIT")
def phases_by_trembling_time() -> Files:
    """Two phases whose trigger times vary slightly from slice to slice."""
    slices = _phases({})
    for number, ds in enumerate(slices):
        put(ds, InstanceNumber=number + 1, TriggerTime=number % 2 * 400 + number // 2 % 7)
    return files(slices)


@trap("10", flags="DUP_CONFLICT", outcome="held", tolerance=142)
def phases_nameless() -> Files:
    """Two phases that no tag distinguishes."""
    return files(_phases({}, InstanceNumber=None))


@trap("10", flags="DUP_CONFLICT", outcome="held", tolerance=142)
def phases_numbered_alike() -> Files:
    """Two phases with the same numbers."""
    return files(_phases({}))


@trap("16", tissue, enhanced, flags="SPLIT")
def enhanced_phases() -> Files:
    """An enhanced CT of two shuffled phases that differ only in the dimension index."""
    ds = multiframe(np.arange(24))
    places = list(ds.PerFrameFunctionalGroupsSequence)
    pixels = [[ds.PixelData[n * FRAME_BYTES :][:FRAME_BYTES] for n in range(24)]]
    pixels.append([other.PixelData for other in series(truth=enhanced)])
    groups, content = [], b""
    for number in np.random.default_rng(5).permutation(48).tolist():
        phase, place = divmod(number, 24)
        groups.append(copy.deepcopy(places[place]))
        groups[-1].FrameContentSequence[0].DimensionIndexValues = [1, place + 1, phase + 1]
        content += pixels[phase][place]
    put(ds, NumberOfFrames=48, PixelData=content, PerFrameFunctionalGroupsSequence=Items(groups))
    return {"one": encoded(ds)}


@trap("16", unit="a.u.")
def enhanced_spectral() -> Files:
    """An enhanced CT whose values are not HU."""
    ds = multiframe(np.arange(24))
    ds.SharedFunctionalGroupsSequence[0].PixelValueTransformationSequence[0].RescaleType = "HU_MOD"
    return {"one": encoded(ds)}


def _parts(size: int, **tags: Any) -> Files:
    """Return an enhanced CT in files of `size` frames each."""
    whole = multiframe(np.arange(24))
    parts = []
    for number, start in enumerate(range(0, 24, size)):
        ds = copy.deepcopy(whole)
        uid = f"{whole.SOPInstanceUID[:50]}.{number + 1}"
        put(ds, SOPInstanceUID=uid, NumberOfFrames=size, InConcatenationNumber=number + 1, **tags)
        ds.file_meta.MediaStorageSOPInstanceUID = uid
        ds.PixelData = whole.PixelData[start * FRAME_BYTES :][: size * FRAME_BYTES]
        ds.PerFrameFunctionalGroupsSequence = whole.PerFrameFunctionalGroupsSequence[start : start + size]
        parts.append(ds)
    return files(parts)


@trap("16")
def concatenation() -> Files:
    """An enhanced CT as a concatenation of two files."""
    return _parts(12, ConcatenationUID="1.2.3.4")


@trap("16")
def enhanced_singles() -> Files:
    """An enhanced CT with one frame per file."""
    return _parts(1)


@trap("15")
def directions_long() -> Files:
    """Directions of length 1.008."""
    slices = series(OBLIQUE)
    for ds in slices:
        ds.ImageOrientationPatient = [round(float(value) * 1.008, 9) for value in ds.ImageOrientationPatient]
    return files(slices)


@trap("13", flags="VARSPACING", tolerance=2.0)
def spacing_drifts() -> Files:
    """Slice distances drift by less than 1 % each, half a slice in all."""
    slim = replace(AXIAL, rows=20, columns=20, spacing=(7.0, 7.0), step=0.9, count=120)
    distances = [0.9 * 1.009] * 60 + [0.9 * 0.991] * 59
    return files(series(slim, offsets=np.concatenate([[0.0], np.cumsum(distances)])))


@trap("+", outcome="refused", reasons="BAD_HEADER", unused=24)
def shifted_sideways() -> Files:
    """Some slices are shifted sideways by 2.5 mm."""
    slices = series()
    for number, ds in enumerate(slices):
        x, y, z = map(float, ds.ImagePositionPatient)
        put(ds, ImagePositionPatient=[x + (2.5 if 8 <= number < 16 else 0.0), y, z])
    return files(slices)


@trap("+", flags="PAD_MASKED")
def float_padding() -> Files:
    """32-bit floats as the standard defines them, without BitsStored, and with padding."""
    slices = series()
    for ds in slices:
        values = stored(ds).astype(np.float32)
        values[0, :5] = -9999
        put(ds, PixelData=None, BitsAllocated=32, BitsStored=None, HighBit=None, PixelRepresentation=None,
            RescaleIntercept=0, FloatPixelPaddingValue=-9999.0)  # fmt: skip
        ds.FloatPixelData = values.tobytes()
    return files(slices)


@trap("+", outcome="refused", reasons="BAD_HEADER", unused=24)
def float_of_16_bits() -> Files:
    """Float pixels that claim 16 bits."""
    slices = series()
    for ds in slices:
        ds.FloatPixelData = stored(ds).astype(np.float32).tobytes()
        put(ds, PixelData=None)
    return files(slices)
