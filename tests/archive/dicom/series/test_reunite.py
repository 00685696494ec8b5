"""Series and frames of reference that an export gave to each slice, and those that are really several."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pydicom.dataset import Dataset

from medcl.testing import phantom
from medcl.testing.phantom import AXIAL, encoded, enhanced, put, series
from tests.archive.dicom.samples import Read

SMALL = replace(AXIAL, rows=16, columns=20, spacing=(8.0, 7.0), count=12)


def named(datasets: list[Dataset]) -> dict[str, bytes]:
    return {f"{number:04d}": encoded(ds) for number, ds in enumerate(datasets)}


def broken(
    root: str = "1.2.66", truth: phantom.PhantomFunction = phantom.tissue, **tags: Any
) -> list[Dataset]:
    slices = series(SMALL, truth, name=root, **tags)
    return [put(ds, SeriesInstanceUID=f"{root}.{number}") for number, ds in enumerate(slices)]


@pytest.mark.parametrize("number", [3, None], ids=["one SeriesNumber", "no SeriesNumber"])
@pytest.mark.parametrize("spaces", [False, True], ids=["one frame of reference", "one for each slice"])
def test_a_series_for_each_slice_is_one_stack(number: int | None, spaces: bool) -> None:
    slices = broken(SeriesNumber=number)
    for place, ds in enumerate(slices if spaces else []):
        ds.FrameOfReferenceUID = f"1.2.55.{place}"
    read = Read(named(slices))
    (scan,) = read.scans
    assert scan.array.shape[2] == 12
    assert "SERIES_JOINED" in scan.flags or "SERIES_JOINED" in read.flags
    assert ("SPACES_JOINED" in read.flags) == spaces
    assert scan.affine is not None
    assert phantom.deviation(scan.array, scan.affine).largest < 0.51


def test_slices_without_any_series_are_one_stack() -> None:
    read = Read(named([put(ds, SeriesInstanceUID=None) for ds in series(SMALL, SeriesNumber=2)]))
    assert [stack.shape[2] for stack in read.stacks] == [12]


def test_two_broken_series_of_one_study_stay_two() -> None:
    read = Read(named([*broken(SeriesNumber=3), *broken("1.2.67", enhanced, SeriesNumber=4)]))
    assert [stack.shape[2] for stack in read.stacks] == [12, 12]


def test_echoes_of_a_broken_series_are_split() -> None:
    one, two = broken(SeriesNumber=3, EchoTime=10), broken(truth=enhanced, SeriesNumber=3, EchoTime=20)
    for number, ds in enumerate(two):
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"1.2.99.{number}"
    read = Read(named([*one, *two]))
    assert [stack.shape[2] for stack in read.stacks] == [12, 12]
    assert {"SERIES_JOINED", "SPLIT"} <= read.flags


@pytest.mark.parametrize("change", ["study", "patient", "protocol", "number"])
def test_single_slices_of_other_origin_stay_alone(change: str) -> None:
    slices = broken(SeriesNumber=3)
    for number, ds in enumerate(slices):
        tags = {
            "study": {"StudyInstanceUID": f"1.2.4.{number}"},
            "patient": {"PatientID": f"p{number}"},
            "protocol": {"ProtocolName": f"protocol {number}"},
            "number": {"SeriesNumber": number, "InstanceNumber": 1},
        }
        put(ds, **tags[change])
    read = Read(named(slices))
    assert len(read.stacks) == 12
    assert "SERIES_JOINED" not in read.flags


def test_slices_that_form_no_grid_stay_alone() -> None:
    slices = broken(SeriesNumber=3)
    for number, ds in enumerate(slices):
        x, y, z = map(float, ds.ImagePositionPatient)
        ds.ImagePositionPatient = [x, y, round(z + number**2 * 1.7, 4)]
    assert len(Read(named(slices)).stacks) == 12


def test_a_frame_of_reference_for_each_slice_is_one_stack() -> None:
    slices = [put(ds, FrameOfReferenceUID=f"1.2.55.{n}") for n, ds in enumerate(series(SMALL))]
    read = Read(named(slices))
    assert [stack.shape[2] for stack in read.stacks] == [12]
    assert "SPACES_JOINED" in read.flags


def test_two_frames_of_reference_are_two_scans() -> None:
    slices = series(SMALL)
    for ds in slices[6:]:
        ds.FrameOfReferenceUID = "1.2.55"
    read = Read(named(slices))
    assert [stack.shape[2] for stack in read.stacks] == [6, 6]
    assert "IRREGULAR_MATRIX" in read.flags


def test_slices_without_frame_of_reference_belong_to_that_of_their_series() -> None:
    slices = series(SMALL)
    put(slices[3], FrameOfReferenceUID=None)
    assert [stack.shape[2] for stack in Read(named(slices)).stacks] == [12]
