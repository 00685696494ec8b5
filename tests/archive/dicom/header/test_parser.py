"""Walking the tags of a file in every form that files come in."""

from __future__ import annotations

import io

import pytest

from medcl.archive.dicom.header import parser
from medcl.archive.dicom.header.elements import BIG_ENDIAN, DEFLATED, EXPLICIT, IMPLICIT, Elements
from medcl.archive.dicom.header.parser import read_elements
from medcl.archive.dicom.header.read import ELEMENTS, SEQUENCES
from medcl.archive.dicom.tags import PIXEL_DATA, tag
from medcl.archive.flags import Rejected
from medcl.testing import phantom

FORMS = {EXPLICIT: (False, True), IMPLICIT: (True, True), BIG_ENDIAN: (False, False), DEFLATED: (False, True)}


def written(syntax: str = EXPLICIT) -> bytes:
    ds = phantom.series()[0]
    ds.file_meta.TransferSyntaxUID = syntax
    implicit, little = FORMS[syntax]
    if not little:
        ds["PixelData"].VR = "OW"
    stream = io.BytesIO()
    ds.save_as(stream, enforce_file_format=True, implicit_vr=implicit, little_endian=little)
    return stream.getvalue()


def walked(content: bytes) -> Elements | None:
    return read_elements(io.BytesIO(content), len(content), ELEMENTS, SEQUENCES)


def refused(content: bytes) -> str:
    with pytest.raises(Rejected) as caught:
        walked(content)
    return caught.value.code


@pytest.mark.parametrize("syntax", FORMS)
def test_every_form_gives_the_same_values(syntax: str) -> None:
    elements, usual = walked(written(syntax)), walked(written())
    assert elements is not None
    assert usual is not None
    implicit, little = FORMS[syntax]
    assert (elements.syntax, elements.explicit, elements.little) == (syntax, not implicit, little)
    assert elements.flags == set()
    rows = tag("Rows")
    assert elements.values.keys() == usual.values.keys()
    assert elements.values[rows] == (usual.values[rows] if little else usual.values[rows][::-1])
    assert (elements.pixel_tag, elements.pixel_length) == (PIXEL_DATA, usual.pixel_length)
    elements.stream.seek(elements.pixel_start)
    assert elements.stream.read(4) == phantom.series()[0].PixelData[:4]


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG_ENDIAN])
def test_without_preamble_and_meta_header_the_form_is_recognized(syntax: str) -> None:
    content = written(syntax)
    start = content.index(b"\x00\x08\x00\x08" if syntax == BIG_ENDIAN else b"\x08\x00\x08\x00")
    elements = walked(content[start:])
    assert elements is not None
    assert elements.flags == {"NO_PREAMBLE"}
    assert elements.syntax == syntax
    assert elements.values[tag("Modality")] == b"CT"


def test_a_meta_header_without_preamble_is_read() -> None:
    elements = walked(written()[132:])
    assert elements is not None
    assert (elements.syntax, elements.flags) == (EXPLICIT, set())


@pytest.mark.parametrize(
    "content", [b"", b"\x89PNG\r\n\x1a\n" * 40, b"\x08\x00" * 4, bytes(300), b"text " * 100]
)
def test_what_is_no_dicom_is_none(content: bytes) -> None:
    assert walked(content) is None


@pytest.mark.parametrize("syntax", FORMS)
def test_a_file_that_ends_inside_an_element_is_truncated(syntax: str) -> None:
    content = written(syntax)
    if syntax == DEFLATED:
        assert refused(content[:-200]) == "TRUNCATED"
        return
    assert refused(content[: content.index(b"medcl phantom") + 5]) == "TRUNCATED"


def test_a_form_that_contradicts_its_syntax_is_read_and_flagged() -> None:
    stated, false = (
        b"UI" + bytes([len(uid) + 1, 0]) + uid + b"\0" for uid in (IMPLICIT.encode(), EXPLICIT.encode())
    )
    content = written(IMPLICIT).replace(stated, false)
    elements = walked(content)
    assert elements is not None
    assert elements.flags == {"BAD_VR"}
    assert not elements.explicit
    assert elements.values[tag("Modality")] == b"CT"


def test_damaged_and_exploding_deflate_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    content = written(DEFLATED)
    assert refused(content[:-300] + b"\xff" * 300) in ("DAMAGED", "TRUNCATED")
    monkeypatch.setattr(parser, "MAX_SCAN_BYTES", 1 << 10)
    assert refused(content) == "BOMB"


@pytest.mark.parametrize("block", [133, 257, 1000])
def test_elements_that_straddle_blocks_are_read(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    usual = walked(written())
    monkeypatch.setattr(parser, "BLOCK", block)
    elements = walked(written())
    assert usual is not None
    assert elements is not None
    assert elements.values == usual.values
    assert elements.pixel_start == usual.pixel_start
