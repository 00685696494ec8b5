"""Encapsulated pixels taken apart into frames, whatever the offset table says."""

from __future__ import annotations

import struct

import pytest

from medcl.archive.dicom.pixels.encapsulated import frames
from medcl.archive.flags import Rejected

JPEG = b"\xff\xd8"


def encapsulated(*fragments: bytes, table: list[int] | None = None) -> bytes:
    offsets = struct.pack(f"<{len(table or [])}I", *(table or []))
    content = b"".join(
        struct.pack("<HHI", 0xFFFE, 0xE000, len(part)) + part for part in (offsets, *fragments)
    )
    return content + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


def test_one_frame_is_all_fragments() -> None:
    assert frames(encapsulated(b"ab", b"cd", table=[0]), 1) == [b"abcd"]
    assert frames(encapsulated(b"ab"), 1) == [b"ab"]


def test_as_many_fragments_as_frames_are_one_each_even_against_the_table() -> None:
    assert frames(encapsulated(b"ab", b"cd", table=[0, 4]), 2) == [b"ab", b"cd"]


def test_frames_begin_where_a_codec_starts() -> None:
    content = encapsulated(JPEG + b"a", b"b", JPEG + b"c", b"d")
    assert frames(content, 2) == [JPEG + b"ab", JPEG + b"cd"]


def test_the_table_is_asked_where_the_content_does_not_say() -> None:
    content = encapsulated(b"aa", b"bb", b"cc", table=[0, 20])
    assert frames(content, 2) == [b"aabb", b"cc"]


@pytest.mark.parametrize("table", [None, [0], [0, 7], [10, 20]])
def test_fragments_that_cannot_be_shared_out_are_refused(table: list[int] | None) -> None:
    with pytest.raises(Rejected, match="MISMATCH"):
        frames(encapsulated(b"aa", b"bb", b"cc", table=table), 2)


@pytest.mark.parametrize("content", [b"", b"\0" * 40, encapsulated()])
def test_without_a_fragment_nothing_can_be_decoded(content: bytes) -> None:
    with pytest.raises(Rejected, match="UNDECODABLE"):
        frames(content, 1)


def test_a_fragment_that_is_cut_off_gives_what_is_left() -> None:
    assert frames(encapsulated(b"abcdef")[:-11], 1) == [b"abc"]
