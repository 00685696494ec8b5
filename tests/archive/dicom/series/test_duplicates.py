"""One SOPInstanceUID is a copy only with the same pixels at the same place."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pydicom.dataset import Dataset

from medcl.testing.phantom import AXIAL, encoded, put, series
from tests.archive.dicom.samples import Read

SMALL = replace(AXIAL, rows=16, columns=20, spacing=(8.0, 7.0), count=12)


def named(datasets: list[Dataset]) -> dict[str, bytes]:
    return {f"{number:04d}": encoded(ds) for number, ds in enumerate(datasets)}


def zeros(points: np.ndarray) -> np.ndarray:
    return np.zeros(points.shape[:-1])


@pytest.mark.parametrize("truth", [None, zeros], ids=["other pixels", "same pixels"])
def test_one_uid_for_all_slices_loses_none(truth: object) -> None:
    slices = series(SMALL) if truth is None else series(SMALL, zeros)
    read = Read(named([put(ds, SOPInstanceUID="1.2.3") for ds in slices]))
    assert not read.reasons
    assert [stack.shape[2] for stack in read.stacks] == [12]


def test_copies_in_another_series_are_dropped_from_the_smaller_one() -> None:
    whole = series(SMALL)
    keys = [put(ds, SeriesInstanceUID="0.1") for ds in series(SMALL)[3:6]]
    read = Read(named([*keys, *whole]))
    assert [stack.shape[2] for stack in read.stacks] == [12]
    assert read.stacks[0].series_uid == whole[0].SeriesInstanceUID
    assert read.reasons == dict.fromkeys(("0000", "0001", "0002"), "DUPLICATE_FILE")


def test_the_same_stored_pixels_in_another_scale_are_no_copy() -> None:
    one = series(SMALL)
    two = [put(ds, RescaleSlope=2, AcquisitionNumber=2) for ds in series(SMALL, name="b")]
    read = Read(named([*one, *(put(ds, SeriesInstanceUID=one[0].SeriesInstanceUID) for ds in two)]))
    assert not read.reasons
    assert [stack.shape[2] for stack in read.stacks] == [12, 12]
