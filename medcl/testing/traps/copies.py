"""Traps of duplicates, and of slices that only resemble duplicates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import RLELossless

from medcl.testing.phantom import AXIAL, enhanced, files, put, series
from medcl.testing.traps.base import Files, TrapCollection

TRAPS = TrapCollection()
trap = TRAPS.trap


@trap("6", flags="DUP_DROPPED", reasons="DUPLICATE_SLICE", unused=1)
def slice_twice() -> Files:
    """A slice is present twice."""
    slices = series()
    return files([*slices, series(name="b", SeriesInstanceUID=slices[0].SeriesInstanceUID)[9]])


FINE = replace(AXIAL, rows=80, columns=96, spacing=(1.75, 1.5))


def _marked(ds: Dataset) -> Dataset:
    """Change a slice at the edge of its pixels."""
    changed = np.frombuffer(ds.PixelData, np.uint16).copy()
    changed[:96] += 300
    return put(ds, PixelData=changed.tobytes())


@trap("6", outcome="held", flags="DUP_CONFLICT", tolerance=400)
def slice_twice_alike() -> Files:
    """Two slices at one position agree in most of their pixels, but not in all."""
    slices = series(FINE)
    other = series(FINE, name="b", SeriesInstanceUID=slices[0].SeriesInstanceUID)[11]
    return files([*slices, _marked(other)])


@trap("6", outcome="held", flags="DUP_CONFLICT", tolerance=400)
def object_twice_alike() -> Files:
    """Two objects with one UID agree in most of their pixels, but not in all."""
    return files([*series(FINE), _marked(series(FINE)[11])])


@trap("6", flags="DUP_DROPPED", reasons="DUPLICATE_SLICE", unused=1)
def slice_twice_compressed() -> Files:
    """A slice is present twice, once with lossless compression."""
    slices = series()
    other = series(name="b", SeriesInstanceUID=slices[0].SeriesInstanceUID)[9]
    other.compress(RLELossless, generate_instance_uid=False)
    return files([*slices, other])


@trap("6", reasons="DUPLICATE_FILE", unused=1)
def file_twice() -> Files:
    """The same file is in two folders."""
    return {**files(series()), **files(series()[9:10], "copy/")}


@trap("6", outcome="held", flags="DUP_CONFLICT", tolerance=400)
def slice_twice_different() -> Files:
    """Two different slices share a position, and no tag distinguishes them."""
    slices = series()
    other = series(truth=enhanced, name="b", SeriesInstanceUID=slices[0].SeriesInstanceUID)[11]
    return files([*slices, other])
