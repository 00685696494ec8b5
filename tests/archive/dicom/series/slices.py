"""Headers and slices made by hand, for tests of grouping."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from medcl.archive.dicom.header.model import SPLIT_KEYS, Attributes, DicomHeader, plain_frame
from medcl.archive.dicom.header.values import Vector
from medcl.archive.dicom.series.slices import Slice

SHARED = Attributes(
    modality="CT",
    series_uid="series",
    study_uid="study",
    patient_id="patient",
    rows=8,
    columns=6,
    bits_allocated=16,
    bits_stored=12,
    photometric="MONOCHROME2",
    orientation=(1, 0, 0, 0, 1, 0),
    pixel_spacing=(0.5, 0.7),
    slope=1.0,
    intercept=-1024.0,
)


def header(
    number: int, position: Vector | None = None, probe: int | None = None, **changes: Any
) -> DicomHeader:
    """Return the header of file `number`; `changes` are of its attributes."""
    return DicomHeader(
        shared=replace(SHARED, **changes),
        sop_uid=f"1.{number}",
        instance=number,
        position=position,
        syntax="1.2.840.10008.1.2.1",
        pixel_tag=0x7FE00010,
        pixel_start=1000,
        pixel_length=96,
        probe=number if probe is None else probe,
    )


def slice_at(number: int, z: float, probe: int | None = None, **keys: Any) -> Slice:
    """Return an axial slice at height `z`; `keys` are values of `SPLIT_KEYS`."""
    head = header(number, (0.0, 0.0, z), probe)
    frame = plain_frame(head.shared, head.position)
    values = tuple(keys.get(name, value) for name, value in zip(SPLIT_KEYS, frame.keys, strict=True))
    return Slice(number, head, replace(frame, keys=values))
