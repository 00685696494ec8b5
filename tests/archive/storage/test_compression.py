"""Gzip that is checked to its end and never unpacks more than is needed."""

from __future__ import annotations

import gzip
import io

import pytest

from medcl.archive.flags import Rejected
from medcl.archive.storage import compression
from medcl.archive.storage.compression import gunzip, gunzip_head, gunzip_whole, gzip_length, is_gzip

CONTENT = bytes(range(256)) * 40
PACKED = gzip.compress(CONTENT)
DAMAGED = PACKED[:-8] + bytes(4) + PACKED[-4:]


def stream(content: bytes = PACKED) -> io.BytesIO:
    return io.BytesIO(content)


def refused(unpack: object, *args: object) -> str:
    with pytest.raises(Rejected) as caught:
        unpack(*args)  # type: ignore[operator]
    return caught.value.code


def test_the_magic_decides_and_the_stream_is_rewound() -> None:
    for content, zipped in ((PACKED, True), (CONTENT, False), (b"", False)):
        one = stream(content)
        assert is_gzip(one) is zipped
        assert one.tell() == 0


@pytest.mark.parametrize("count", [0, 1, 300, len(CONTENT), len(CONTENT) + 9])
def test_a_head_is_as_long_as_the_content_allows(count: int) -> None:
    assert gunzip_head(stream(), count) == CONTENT[:count]
    assert gunzip_head(stream(PACKED[:40]), 5) == CONTENT[:5]


def test_the_length_stands_in_the_trailer() -> None:
    assert gzip_length(stream(), len(PACKED)) == len(CONTENT)
    assert gzip_length(stream(b"short"), 5) == 0


def test_what_is_needed_is_unpacked_and_the_rest_checked() -> None:
    assert gunzip(stream(), 100) == CONTENT[:100]
    assert gunzip(stream(PACKED + PACKED), len(CONTENT) + 5) == CONTENT + CONTENT[:5]
    assert refused(gunzip, stream(), len(CONTENT) + 1) == "TRUNCATED"
    assert refused(gunzip, stream(PACKED[:-5]), 100) == "TRUNCATED"
    assert refused(gunzip, stream(DAMAGED), 100) == "DAMAGED"
    assert refused(gunzip, stream(CONTENT), 100) == "DAMAGED"


def test_a_whole_file_is_unpacked_or_refused() -> None:
    assert gunzip_whole(stream(), len(PACKED)) == CONTENT
    assert refused(gunzip_whole, stream(PACKED[:-5]), len(PACKED)) == "TRUNCATED"
    assert refused(gunzip_whole, stream(DAMAGED), len(PACKED)) == "DAMAGED"


def test_content_without_end_is_a_bomb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "MAX_TRAILING", 1000)
    monkeypatch.setattr(compression, "MAX_SCAN_BYTES", 1000)
    assert refused(gunzip, stream(), 100) == "BOMB"
    assert refused(gunzip_whole, stream(), len(PACKED)) == "BOMB"


def test_a_damaged_head_is_refused() -> None:
    assert refused(gunzip_head, stream(PACKED[:10] + b"\xff" * 60), 100) == "DAMAGED"
