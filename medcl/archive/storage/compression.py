"""Gzip that is checked to its end and never unpacks more than is needed."""

from __future__ import annotations

import gzip
import struct
import zlib
from typing import BinaryIO

from medcl.archive.flags import quarantined
from medcl.archive.limits import MAX_SCAN_BYTES, is_bomb

CHUNK = 1 << 20
MAX_TRAILING = 64 << 20


def is_gzip(stream: BinaryIO) -> bool:
    """Return whether the content at the start of a stream is gzipped, by its magic; rewind the stream."""
    magic = stream.read(2)
    stream.seek(0)
    return magic == b"\x1f\x8b"


def gunzip_head(stream: BinaryIO, count: int) -> bytes:
    """Return the first `count` bytes of gzipped content (fewer if there are no more).

    Raises:
        Rejected: DAMAGED.
    """
    unpacker = zlib.decompressobj(wbits=31)
    head = b""
    while len(head) < count and not unpacker.eof:
        packed = unpacker.unconsumed_tail or stream.read(4096)
        if not packed:
            break
        try:
            head += unpacker.decompress(packed, count - len(head))
        except zlib.error:
            raise quarantined("DAMAGED") from None
    return head


def gzip_length(stream: BinaryIO, size: int) -> int:
    """Return the unpacked length in a gzip file's trailer (modulo 4 GiB; of its last member)."""
    if size < 18:
        return 0
    stream.seek(size - 4)
    trailer = stream.read(4)
    return int(struct.unpack("<I", trailer)[0]) if len(trailer) == 4 else 0


def gunzip(stream: BinaryIO, needed: int) -> bytes:
    """Unpack `needed` bytes and check the rest of the file to its checksum.

    Raises:
        Rejected: TRUNCATED when the content ends early, DAMAGED when it is broken, BOMB when more
            than 64 MiB follow what is needed.
    """
    try:
        with gzip.GzipFile(fileobj=stream) as unpacked:
            content = unpacked.read(needed)
            trailing = 0
            while chunk := unpacked.read(CHUNK):
                trailing += len(chunk)
                if trailing > MAX_TRAILING:
                    raise quarantined("BOMB")
    except EOFError:
        raise quarantined("TRUNCATED") from None
    except (gzip.BadGzipFile, zlib.error):
        raise quarantined("DAMAGED") from None
    if len(content) < needed:
        raise quarantined("TRUNCATED")
    return content


def gunzip_whole(stream: BinaryIO, size: int) -> bytes:
    """Unpack a gzip file of unknown length and check its checksum.

    Args:
        stream: The file at its start.
        size: Length of the file in bytes.

    Raises:
        Rejected: TRUNCATED, DAMAGED or BOMB.
    """
    content = bytearray()
    try:
        with gzip.GzipFile(fileobj=stream) as unpacked:
            while more := unpacked.read(CHUNK):
                content += more
                if len(content) > MAX_SCAN_BYTES or is_bomb(len(content), size):
                    raise quarantined("BOMB")
    except EOFError:
        raise quarantined("TRUNCATED") from None
    except (gzip.BadGzipFile, zlib.error):
        raise quarantined("DAMAGED") from None
    return bytes(content)
