"""Items of a wanted sequence, and sequences that are no sane ones."""

from __future__ import annotations

import io

import pydicom
import pytest
from pydicom.sequence import Sequence as Items

from medcl.archive.dicom.header import elements as module
from medcl.archive.dicom.header.elements import BIG_ENDIAN, IMPLICIT, Elements
from medcl.archive.dicom.header.parser import read_elements
from medcl.archive.dicom.tags import DETECTORS
from medcl.archive.flags import Rejected
from medcl.testing import phantom


def with_detectors(count: int, **encoding: bool) -> Elements:
    ds = phantom.series()[0]
    ds.DetectorInformationSequence = Items([pydicom.Dataset() for _ in range(count)])
    for number, item in enumerate(ds.DetectorInformationSequence):
        item.StartAngle = number
    stream = io.BytesIO()
    if encoding:
        ds.file_meta.TransferSyntaxUID = IMPLICIT if encoding["implicit_vr"] else BIG_ENDIAN
    ds.save_as(stream, enforce_file_format=True, **encoding)
    content = stream.getvalue()
    found = read_elements(io.BytesIO(content), len(content), frozenset(), frozenset({DETECTORS}))
    assert found is not None
    return found


@pytest.mark.parametrize(
    "encoding",
    [{}, {"implicit_vr": True, "little_endian": True}, {"implicit_vr": False, "little_endian": False}],
    ids=["explicit", "implicit", "big endian"],
)
def test_items_are_data_sets_in_every_form(encoding: dict[str, bool]) -> None:
    items = with_detectors(3, **encoding).items(DETECTORS)
    assert [item.StartAngle for item in items] == [0, 1, 2]


def test_an_absent_or_empty_sequence_has_no_items() -> None:
    assert Elements(io.BytesIO(), 0).items(DETECTORS) == []
    assert with_detectors(0).items(DETECTORS) == []


def test_an_overlong_sequence_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    elements = with_detectors(3)
    monkeypatch.setattr(module, "MAX_SEQUENCE", 16)
    with pytest.raises(Rejected, match="TOO_LARGE"):
        elements.items(DETECTORS)


def test_a_broken_sequence_is_a_bad_header() -> None:
    elements = with_detectors(3)
    start, end = elements.sequences[DETECTORS]
    elements.sequences[DETECTORS] = (start + 1, end)
    with pytest.raises(Rejected, match="BAD_HEADER"):
        elements.items(DETECTORS)
