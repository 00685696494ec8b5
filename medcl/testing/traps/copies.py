"""Traps of copies: what stands twice, and what only looks as if it did."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from pydicom.dataset import Dataset

from medcl.testing.phantom import AXIAL, enhanced, files, put, series
from medcl.testing.traps.base import Catalog, Files

CATALOG = Catalog()
trap = CATALOG.trap


@trap("6", "a slice stands twice", flags="DUP_DROPPED", reasons="DUPLICATE_SLICE", unused=1)
def slice_twice() -> Files:
    slices = series()
    return files([*slices, series(name="b", SeriesInstanceUID=slices[0].SeriesInstanceUID)[9]])


FINE = replace(AXIAL, rows=80, columns=96, spacing=(1.75, 1.5))


def _marked(ds: Dataset) -> Dataset:
    """Change a slice far from the middle of its pixels."""
    changed = np.frombuffer(ds.PixelData, np.uint16).copy()
    changed[:96] += 300
    return put(ds, PixelData=changed.tobytes())


@trap("6", "two slices at one place agree in most of their pixels, but not in all", outcome="held",
      flags="DUP_CONFLICT", tolerance=400)  # fmt: skip
def slice_twice_alike() -> Files:
    slices = series(FINE)
    other = series(FINE, name="b", SeriesInstanceUID=slices[0].SeriesInstanceUID)[11]
    return files([*slices, _marked(other)])


@trap("6", "two objects of one UID agree in most of their pixels, but not in all", outcome="held",
      flags="DUP_CONFLICT", tolerance=400)  # fmt: skip
def object_twice_alike() -> Files:
    return files([*series(FINE), _marked(series(FINE)[11])])


@trap("6", "a slice stands twice, once compressed without loss", flags="DUP_DROPPED",
      reasons="DUPLICATE_SLICE", unused=1)  # fmt: skip
def slice_twice_compressed() -> Files:
    slices = series()
    other = series(name="b", SeriesInstanceUID=slices[0].SeriesInstanceUID)[9]
    other.compress("1.2.840.10008.1.2.5", generate_instance_uid=False)
    return files([*slices, other])


@trap("6", "the same file lies in two folders", reasons="DUPLICATE_FILE", unused=1)
def file_twice() -> Files:
    return {**files(series()), **files(series()[9:10], "copy/")}


@trap("6", "a place holds two slices that differ, and nothing tells them apart", outcome="held",
      flags="DUP_CONFLICT", tolerance=400)  # fmt: skip
def slice_twice_different() -> Files:
    slices = series()
    other = series(truth=enhanced, name="b", SeriesInstanceUID=slices[0].SeriesInstanceUID)[11]
    return files([*slices, other])
