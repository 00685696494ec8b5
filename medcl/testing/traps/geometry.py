"""Traps of order, place and grouping."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from medcl.testing.phantom import (
    AXIAL,
    CORONAL,
    OBLIQUE,
    SAGITTAL,
    TILTED,
    Geometry,
    encoded,
    enhanced,
    files,
    put,
    series,
    set_pixels,
    tissue,
)
from medcl.testing.traps.base import Catalog, Files

CATALOG = Catalog()
trap = CATALOG.trap


@trap("1", "no suffix, names in no order")
def shuffled_names() -> Files:
    return files(series())


@trap("2", "InstanceNumber runs against the slices' order")
def instance_reversed() -> Files:
    return files(put(ds, InstanceNumber=24 - number) for number, ds in enumerate(series()))


@trap("3", "InstanceNumber is random")
def instance_random() -> Files:
    order = np.random.default_rng(3).permutation(24)
    return files(put(ds, InstanceNumber=int(order[number]) + 1) for number, ds in enumerate(series()))


@trap("4", "InstanceNumber is missing")
def instance_missing() -> Files:
    return files(series(InstanceNumber=None))


@trap("5", "2 of 24 slices are missing", flags="GAP")
def slices_missing() -> Files:
    return files(ds for number, ds in enumerate(series()) if number not in (7, 15))


@trap("5", "3 of 24 slices are missing: more than a tenth", flags="GAP GAP_LARGE", outcome="held")
def slices_missing_many() -> Files:
    return files(ds for number, ds in enumerate(series()) if number not in (7, 8, 15))


@trap("5", "20 mm are missing at one place", flags="GAP GAP_LARGE", outcome="held", between=100)
def slices_missing_wide() -> Files:
    return files(ds for number, ds in enumerate(series()) if number not in range(10, 15))


@trap("7", "the gantry is tilted by 15 degrees", flags="TILT")
def gantry_tilt() -> Files:
    return files(series(TILTED, GantryDetectorTilt=15))


@trap("7", "the gantry is tilted and a slice is missing", flags="TILT GAP")
def gantry_tilt_with_gap() -> Files:
    return files(ds for number, ds in enumerate(series(TILTED)) if number != 12)


@trap("8", "two series in one folder", tissue, enhanced)
def two_series() -> Files:
    return {**files(series()), **files(series(truth=enhanced, name="b"), "b")}


@trap("9", "a localizer inside the series", flags="SCOUT MIXED_ORIENT")
def localizer_inside() -> Files:
    slices = series()
    scout = series(replace(CORONAL, count=1), SeriesInstanceUID=slices[0].SeriesInstanceUID, name="s",
                   ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])  # fmt: skip
    return files([*slices, *scout])


def _two(first: dict[str, Any], second: dict[str, Any]) -> Files:
    """Return two acquisitions of one place in one series, told apart by the given tags."""
    one = series(**first)
    two = series(truth=enhanced, name="b", SeriesInstanceUID=one[0].SeriesInstanceUID, **second)
    for number, ds in enumerate(two):
        ds.InstanceNumber = 25 + number
    return files([*one, *two])


@trap("10", "two phases told apart by AcquisitionNumber", tissue, enhanced, flags="SPLIT")
def phases_by_acquisition() -> Files:
    return _two({"AcquisitionNumber": 1}, {"AcquisitionNumber": 2})


@trap("10", "two phases told apart by TemporalPositionIdentifier", tissue, enhanced, flags="SPLIT")
def phases_by_time() -> Files:
    return _two({"TemporalPositionIdentifier": 1}, {"TemporalPositionIdentifier": 2})


@trap("10", "two echoes", tissue, enhanced, flags="SPLIT")
def echoes() -> Files:
    return _two({"EchoTime": 20}, {"EchoTime": 80})


@trap("10", "two b-values", tissue, enhanced, flags="SPLIT")
def b_values() -> Files:
    return _two({"DiffusionBValue": 0.0}, {"DiffusionBValue": 800.0})


@trap("10", "two kernels", tissue, enhanced, flags="SPLIT")
def kernels() -> Files:
    return _two({"ConvolutionKernel": "B30f"}, {"ConvolutionKernel": "B70f"})


@trap("10", "magnitude and phase by ImageType", tissue, enhanced, flags="SPLIT")
def image_types() -> Files:
    return _two({"ImageType": ["ORIGINAL", "PRIMARY", "M"]}, {"ImageType": ["ORIGINAL", "PRIMARY", "P"]})


@trap("10", "two phases that only InstanceNumber tells apart", tissue, enhanced, flags="SPLIT")
def phases_by_instance() -> Files:
    return _two({}, {})


@trap("10", "AcquisitionNumber counts slices, not phases", tissue, enhanced, flags="SPLIT")
def acquisition_a_slice() -> Files:
    first = series()
    second = series(truth=enhanced, name="b", SeriesInstanceUID=first[0].SeriesInstanceUID)
    both = [put(ds, AcquisitionNumber=number + 1) for number, ds in enumerate([*first, *second])]
    return files(put(ds, InstanceNumber=number) for number, ds in enumerate(both))


def _uneven() -> list[float]:
    return [3.6 * number if number < 12 else 3.6 * 11 + 1.8 * (number - 11) for number in range(24)]


@trap("13", "slice distance changes from 3.6 to 1.8 mm on the way", flags="VARSPACING", tolerance=12)
def spacing_varies() -> Files:
    return files(series(offsets=_uneven()))


@trap("13", "slice positions jitter by 0.01 mm, as rounding does", tolerance=1.5)
def spacing_jitters() -> Files:
    jitter = np.random.default_rng(5).uniform(-0.01, 0.01, 24)
    return files(series(offsets=[3.6 * number + jitter[number] for number in range(24)]))


@trap("14", "sagittal slices")
def sagittal() -> Files:
    return files(series(SAGITTAL))


@trap("14", "coronal slices")
def coronal() -> Files:
    return files(series(CORONAL))


@trap("15", "oblique slices")
def oblique() -> Files:
    return files(series(OBLIQUE))


def multiframe(order: np.ndarray, geometry: Geometry = AXIAL) -> Dataset:
    """Return an enhanced CT whose frames are stored in `order`."""
    slices = series(geometry)
    ds = slices[0]
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleSlope",
                    "RescaleIntercept", "SliceThickness"):  # fmt: skip
        delattr(ds, keyword)
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2.1"
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


@trap("16", "an enhanced multi-frame CT whose frames are shuffled", flags="FRAMES_SORTED")
def enhanced_shuffled() -> Files:
    return {"one": encoded(multiframe(np.random.default_rng(1).permutation(24)))}


@trap("16", "an enhanced multi-frame CT, oblique and in order")
def enhanced_oblique() -> Files:
    return {"one": encoded(multiframe(np.arange(24), OBLIQUE))}


@trap("27", "axial and sagittal slices in one series", tissue, tissue, flags="MIXED_ORIENT")
def orientations_mixed() -> Files:
    slices = series()
    return files([*slices, *series(SAGITTAL, name="b", SeriesInstanceUID=slices[0].SeriesInstanceUID)])


@trap("29", "SliceThickness is 5 mm, slices stand 3.6 mm apart, and SpacingBetweenSlices lies")
def thickness_lies() -> Files:
    return files(series(SliceThickness=5, SpacingBetweenSlices=1.0))


@trap("31", "one slice has another matrix; it is split off and leaves a gap", flags="IRREGULAR_MATRIX GAP")
def matrix_differs() -> Files:
    slices = series()
    odd = series(replace(AXIAL, rows=30), name="odd", SeriesInstanceUID=slices[0].SeriesInstanceUID)[8]
    return files([*slices[:8], odd, *slices[9:]])


@trap("+", "feet first: the orientation already says so, PatientPosition must not turn it again")
def feet_first() -> Files:
    return files(series(PatientPosition="FFS"))


@trap("+", "slices of two frames of reference in one series", tissue, enhanced)
def frames_of_reference() -> Files:
    first = series()
    second = series(truth=enhanced, name="b", SeriesInstanceUID=first[0].SeriesInstanceUID,
                    FrameOfReferenceUID="1.2.3.4")  # fmt: skip
    return files([*first, *second])


@trap("+", "PatientPosition is feet first, prone: orientation is in the patient's frame already")
def patient_position() -> Files:
    return files(series(PatientPosition="FFP"))
