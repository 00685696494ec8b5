"""Traps specific to manufacturers: private elements and mosaics."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydicom.uid import MRImageStorage

from medcl.testing.phantom import AXIAL, encoded, enhanced, files, put, series, set_pixels, tissue
from medcl.testing.traps.base import Files, TrapCollection
from medcl.testing.traps.pixels import raw, stored

TRAPS = TrapCollection()
trap = TRAPS.trap


def _two_private(group: int, creator: str, element: int, vr: str, values: tuple[Any, Any]) -> Files:
    """Return two acquisitions that differ only in a private element."""
    one = series()
    two = series(truth=enhanced, name="b", SeriesInstanceUID=one[0].SeriesInstanceUID)
    mixed = [
        pair[number % 2 ^ offset]
        for number, pair in enumerate(zip(one, two, strict=True))
        for offset in (0, 1)
    ]
    for number, ds in enumerate(mixed):
        value = values[ds in two]
        put(ds, InstanceNumber=number).private_block(group, creator, create=True).add_new(element, vr, value)
    return files(mixed)


@trap("10", tissue, enhanced, flags="SPLIT")
def b_values_ge() -> Files:
    """Two b-values in the private element of GE."""
    values = ([1_000_000_000, 8, 0, 0], [1_000_000_800, 8, 0, 0])
    return _two_private(0x0043, "GEMS_PARM_01", 0x39, "IS", values)


@trap("10", tissue, enhanced, flags="SPLIT")
def b_values_siemens() -> Files:
    """Two b-values in the private element of Siemens."""
    return _two_private(0x0019, "SIEMENS MR HEADER", 0x0C, "IS", (0, 1000))


@trap("10", tissue, enhanced, flags="SPLIT")
def b_values_philips() -> Files:
    """Two b-values in the private element of Philips."""
    return _two_private(0x2001, "Philips Imaging DD 001", 0x03, "FL", (0.0, 1000.0))


@trap("10", tissue, enhanced, flags="SPLIT")
def gradients_siemens() -> Files:
    """Two gradient directions in the private element of Siemens."""
    return _two_private(0x0019, "SIEMENS MR HEADER", 0x0E, "FD", ([1.0, 0.0, 0.0], [0.0, 1.0, 0.0]))


@trap("+", raw, unit="a.u.", flags="PRECISE_SCALE", tolerance=1.01)
def philips_scales() -> Files:
    """A Philips MR in which each slice has its own scale."""
    slices = series(Modality="MR", SOPClassUID=MRImageStorage, RescaleIntercept="0")
    for number, ds in enumerate(slices):
        scale = 1.0 + 0.25 * (number % 3)
        set_pixels(ds, np.round((stored(ds) + 1024) * scale).astype(np.uint16))
        put(ds, RescaleSlope=str(0.5 + 0.125 * number))
        ds.private_block(0x2005, "Philips MR Imaging DD 001", create=True).add_new(0x0E, "FL", scale)
    return files(slices)


@trap("+", raw, unit="a.u.", flags="MOSAIC")
def mosaic() -> Files:
    """A Siemens mosaic: 24 slices tiled into one image."""
    slices = series(Modality="MR", RescaleSlope=None, RescaleIntercept=None)
    tiles, (rows, columns) = 5, (AXIAL.rows, AXIAL.columns)
    whole = np.zeros((tiles * rows, tiles * columns), np.uint16)
    for number, ds in enumerate(slices):
        top, left = number // tiles * rows, number % tiles * columns
        whole[top : top + rows, left : left + columns] = stored(ds) + 1024
    one = slices[0]
    set_pixels(one, whole)
    corner = np.array([float(value) for value in one.ImagePositionPatient])
    corner -= np.array(AXIAL.row) * AXIAL.spacing[1] * (tiles - 1) * columns / 2
    corner -= np.array(AXIAL.column) * AXIAL.spacing[0] * (tiles - 1) * rows / 2
    put(one, ImageType=["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"], SpacingBetweenSlices=AXIAL.step,
        ImagePositionPatient=[f"{value:.6f}" for value in corner])  # fmt: skip
    one.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0A, "US", len(slices))
    return {"one": encoded(one)}
