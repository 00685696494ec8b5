"""Traps of slice order, position and grouping."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import EnhancedCTImageStorage

from medcl.testing.phantom import (
    AXIAL,
    CORONAL,
    OBLIQUE,
    SAGITTAL,
    TILTED,
    SliceGeometry,
    encoded,
    enhanced,
    files,
    put,
    series,
    set_pixels,
    tissue,
)
from medcl.testing.traps.base import Files, TrapCollection

TRAPS = TrapCollection()
trap = TRAPS.trap


@trap("1")
def shuffled_names() -> Files:
    """The file names have no suffix and no order."""
    return files(series())


@trap("2")
def instance_reversed() -> Files:
    """InstanceNumber runs opposite to the order of the slices."""
    return files(put(ds, InstanceNumber=24 - number) for number, ds in enumerate(series()))


@trap("3")
def instance_random() -> Files:
    """InstanceNumber is random."""
    order = np.random.default_rng(3).permutation(24)
    return files(put(ds, InstanceNumber=int(order[number]) + 1) for number, ds in enumerate(series()))


@trap("4")
def instance_missing() -> Files:
    """InstanceNumber is missing."""
    return files(series(InstanceNumber=None))


@trap("5", flags="GAP")
def slices_missing() -> Files:
    """2 of 24 slices are missing."""
    return files(ds for number, ds in enumerate(series()) if number not in (7, 15))


@trap("5", flags="GAP GAP_LARGE", outcome="held")
def slices_missing_many() -> Files:
    """3 of 24 slices are missing: more than a tenth."""
    return files(ds for number, ds in enumerate(series()) if number not in (7, 8, 15))


@trap("5", flags="GAP GAP_LARGE", outcome="held", between=100)
def slices_missing_wide() -> Files:
    """20 mm are missing in one gap."""
    return files(ds for number, ds in enumerate(series()) if number not in range(10, 15))


@trap("7", flags="TILT")
def gantry_tilt() -> Files:
    """The gantry is tilted by 15 degrees."""
    return files(series(TILTED, GantryDetectorTilt=15))


@trap("7", flags="TILT GAP")
def gantry_tilt_with_gap() -> Files:
    """The gantry is tilted and a slice is missing."""
    return files(ds for number, ds in enumerate(series(TILTED)) if number != 12)


@trap("8", tissue, enhanced)
def two_series() -> Files:
    """Two series in one folder."""
    return {**files(series()), **files(series(truth=enhanced, name="b"), "b")}


@trap("9", flags="SCOUT MIXED_ORIENT")
def localizer_inside() -> Files:
    """A localizer inside the series."""
    slices = series()
    scout = series(replace(CORONAL, count=1), SeriesInstanceUID=slices[0].SeriesInstanceUID, name="s",
                   ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])  # fmt: skip
    return files([*slices, *scout])


def _two(first: dict[str, Any], second: dict[str, Any]) -> Files:
    """Return two acquisitions of one volume in one series that differ in the given tags."""
    one = series(**first)
    two = series(truth=enhanced, name="b", SeriesInstanceUID=one[0].SeriesInstanceUID, **second)
    for number, ds in enumerate(two):
        ds.InstanceNumber = 25 + number
    return files([*one, *two])


@trap("10", tissue, enhanced, flags="SPLIT")
def phases_by_acquisition() -> Files:
    """Two phases differ in AcquisitionNumber."""
    return _two({"AcquisitionNumber": 1}, {"AcquisitionNumber": 2})


@trap("10", tissue, enhanced, flags="SPLIT")
def phases_by_time() -> Files:
    """Two phases differ in TemporalPositionIdentifier."""
    return _two({"TemporalPositionIdentifier": 1}, {"TemporalPositionIdentifier": 2})


@trap("10", tissue, enhanced, flags="SPLIT")
def echoes() -> Files:
    """Two echoes."""
    return _two({"EchoTime": 20}, {"EchoTime": 80})


@trap("10", tissue, enhanced, flags="SPLIT")
def b_values() -> Files:
    """Two b-values."""
    return _two({"DiffusionBValue": 0.0}, {"DiffusionBValue": 800.0})


@trap("10", tissue, enhanced, flags="SPLIT")
def kernels() -> Files:
    """Two kernels."""
    return _two({"ConvolutionKernel": "B30f"}, {"ConvolutionKernel": "B70f"})


@trap("10", tissue, enhanced, flags="SPLIT")
def image_types() -> Files:
    """Magnitude and phase by ImageType."""
    return _two({"ImageType": ["ORIGINAL", "PRIMARY", "M"]}, {"ImageType": ["ORIGINAL", "PRIMARY", "P"]})


@trap("10", tissue, enhanced, flags="SPLIT")
def phases_by_instance() -> Files:
    """Two phases differ only in InstanceNumber."""
    return _two({}, {})


@trap("10", tissue, enhanced, flags="SPLIT")
def acquisition_a_slice() -> Files:
    """AcquisitionNumber counts slices, not phases."""
    first = series()
    second = series(truth=enhanced, name="b", SeriesInstanceUID=first[0].SeriesInstanceUID)
    both = [put(ds, AcquisitionNumber=number + 1) for number, ds in enumerate([*first, *second])]
    return files(put(ds, InstanceNumber=number) for number, ds in enumerate(both))


def _uneven() -> list[float]:
    return [3.6 * number if number < 12 else 3.6 * 11 + 1.8 * (number - 11) for number in range(24)]


@trap("13", flags="VARSPACING", tolerance=12)
def spacing_varies() -> Files:
    """The slice distance changes from 3.6 to 1.8 mm within the series."""
    return files(series(offsets=_uneven()))


@trap("13", tolerance=1.5)
def spacing_jitters() -> Files:
    """Slice positions jitter by 0.01 mm, as rounding does."""
    jitter = np.random.default_rng(5).uniform(-0.01, 0.01, 24)
    return files(series(offsets=[3.6 * number + jitter[number] for number in range(24)]))


@trap("14")
def sagittal() -> Files:
    """Sagittal slices."""
    return files(series(SAGITTAL))


@trap("14")
def coronal() -> Files:
    """Coronal slices."""
    return files(series(CORONAL))


@trap("15")
def oblique() -> Files:
    """Oblique slices."""
    return files(series(OBLIQUE))


def multiframe(order: np.ndarray, geometry: SliceGeometry = AXIAL) -> Dataset:
    """Return an enhanced CT whose frames are stored in `order`."""
    slices = series(geometry)
    ds = slices[0]
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleSlope",
                    "RescaleIntercept", "SliceThickness"):  # fmt: skip
        delattr(ds, keyword)
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = EnhancedCTImageStorage
    shared, frames = Dataset(), []
    shared.PixelMeasuresSequence = Items([put(Dataset(), PixelSpacing=list(geometry.spacing),
                                              SliceThickness=geometry.step)])  # fmt: skip
    shared.PlaneOrientationSequence = Items(
        [put(Dataset(), ImageOrientationPatient=[*geometry.row, *geometry.column])]
    )
    shared.PixelValueTransformationSequence = Items(
        [put(Dataset(), RescaleSlope=1, RescaleIntercept=-1024, RescaleType="HU")]
    )
    positions = geometry.positions()
    for number in order:
        frame = Dataset()
        frame.PlanePositionSequence = Items(
            [put(Dataset(), ImagePositionPatient=[f"{value:.6f}" for value in positions[number]])]
        )
        frame.FrameContentSequence = Items([put(Dataset(), FrameAcquisitionNumber=1)])
        frames.append(frame)
    ds.SharedFunctionalGroupsSequence = Items([shared])
    ds.PerFrameFunctionalGroupsSequence = Items(frames)
    stored = np.stack([tissue(geometry.points(positions[number])) for number in order])
    set_pixels(ds, (np.round(stored) + 1024).astype(np.uint16))
    return ds


@trap("16", flags="FRAMES_SORTED")
def enhanced_shuffled() -> Files:
    """An enhanced multi-frame CT whose frames are shuffled."""
    return {"one": encoded(multiframe(np.random.default_rng(1).permutation(24)))}


@trap("16")
def enhanced_oblique() -> Files:
    """An enhanced multi-frame CT, oblique and in order."""
    return {"one": encoded(multiframe(np.arange(24), OBLIQUE))}


@trap("27", tissue, tissue, flags="MIXED_ORIENT")
def orientations_mixed() -> Files:
    """Axial and sagittal slices in one series."""
    slices = series()
    return files([*slices, *series(SAGITTAL, name="b", SeriesInstanceUID=slices[0].SeriesInstanceUID)])


@trap("29")
def thickness_lies() -> Files:
    """SliceThickness is 5 mm, slices are 3.6 mm apart, and SpacingBetweenSlices is wrong."""
    return files(series(SliceThickness=5, SpacingBetweenSlices=1.0))


@trap("31", flags="IRREGULAR_MATRIX GAP")
def matrix_differs() -> Files:
    """One slice has a different matrix size; it is split off and leaves a gap."""
    slices = series()
    odd = series(replace(AXIAL, rows=30), name="odd", SeriesInstanceUID=slices[0].SeriesInstanceUID)[8]
    return files([*slices[:8], odd, *slices[9:]])


@trap("+")
def feet_first() -> Files:
    """Feet first: the orientation already holds it, so that PatientPosition must not turn it again."""
    return files(series(PatientPosition="FFS"))


@trap("+", tissue, enhanced)
def frames_of_reference() -> Files:
    """Slices of two frames of reference in one series."""
    first = series()
    second = series(truth=enhanced, name="b", SeriesInstanceUID=first[0].SeriesInstanceUID,
                    FrameOfReferenceUID="1.2.3.4")  # fmt: skip
    return files([*first, *second])


@trap("+")
def patient_position() -> Files:
    """PatientPosition is feet first, prone: orientation is in the patient's frame already."""
    return files(series(PatientPosition="FFP"))
