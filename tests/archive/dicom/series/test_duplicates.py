"""One SOPInstanceUID is a copy only with the same pixels at the same place."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import RLELossless

from medcl.archive import dicom
from medcl.archive.dicom.series.duplicates import Numbered, PixelSums, distinct_files
from medcl.testing import phantom
from medcl.testing.phantom import AXIAL, encoded, put, series
from tests.archive.dicom.samples import Read
from tests.archive.dicom.series.slices import header

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


class Files:
    """Files in memory, and which of them were opened."""

    def __init__(self, *contents: bytes) -> None:
        self.contents, self.opened = contents, []  # type: ignore[var-annotated]
        self.sums = PixelSums(self.open)

    def open(self, number: int) -> io.BytesIO:
        self.opened.append(number)
        return io.BytesIO(self.contents[number])

    def numbered(self) -> list[Numbered]:
        headers = [dicom.read_header(io.BytesIO(content), len(content)) for content in self.contents]
        # In memory, the checksum of all pixels is taken with the header; on disk it is not.
        return [(number, replace(head, crc=None)) for number, head in enumerate(headers) if head is not None]


def content(change: int = 0, packed: bool = False, **tags: object) -> bytes:
    ds = phantom.image(np.arange(40 * 48, dtype=np.uint16).reshape(40, 48) + change)
    phantom.put(ds, **tags)
    if packed:
        ds.compress(RLELossless, generate_instance_uid=False)
    return phantom.encoded(ds)


def test_equal_pixels_are_the_same_whatever_the_tags_and_each_file_is_read_once() -> None:
    files = Files(content(), content(SeriesNumber=7), content(change=1))
    one, two, other = files.numbered()
    assert files.sums.same(one, two)
    assert files.sums.same(two, one)
    assert not files.sums.same(one, other)
    assert sorted(files.opened) == [0, 1, 2]


def test_pixels_of_two_syntaxes_are_compared_decoded() -> None:
    files = Files(content(), content(packed=True), content(change=1, packed=True))
    plain, packed, other = files.numbered()
    assert plain[1].syntax != packed[1].syntax
    assert files.sums.same(plain, packed)
    assert not files.sums.same(plain, other)


def test_a_checksum_that_is_known_costs_no_reading() -> None:
    files = Files(content(), content())
    one, two = ((number, replace(head, crc=77)) for number, head in files.numbered())
    assert files.sums.same(one, two)
    assert files.opened == []


@pytest.mark.parametrize("broken", [b"", content()[:600]])
def test_a_file_that_cannot_be_read_is_nobody_s_copy(broken: bytes) -> None:
    (one,) = Files(content()).numbered()
    assert not Files(content(), broken).sums.same(one, (1, one[1]))


def test_one_of_equal_files_is_kept_whatever_their_order() -> None:
    headers = [(5, header(1)), (2, header(1)), (9, header(3))]
    for files in (headers, headers[::-1]):
        distinct, dropped = distinct_files(files, None)
        assert sorted(number for number, _ in distinct) in ([2, 9], [5, 9])
        assert len(dropped) == 1


def test_files_without_a_uid_are_never_copies() -> None:
    nameless = replace(header(1), sop_uid="")
    distinct, dropped = distinct_files([(1, nameless), (2, nameless)], None)
    assert (len(distinct), dropped) == (2, [])


def test_one_uid_with_other_pixels_is_two_files_where_all_pixels_are_summed() -> None:
    files = Files(content(), content(change=1))
    (_, one), (_, two) = files.numbered()
    alike = [(0, one), (1, replace(two, probe=one.probe))]
    distinct, dropped = distinct_files(alike, files.sums)
    assert (len(distinct), dropped) == (2, [])
    assert len({head.probe for _, head in distinct}) == 2
    assert len(distinct_files(alike, None)[1]) == 1
