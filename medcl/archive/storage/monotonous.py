"""Files that repeat themselves, as label maps do, recognized without decoding them."""

from __future__ import annotations

from typing import BinaryIO

from medcl.archive.storage.compression import gzip_length, is_gzip

PACKED_SHARE, PACKED_HEADER = 0.04, 256
"""A compressed file below this share of its unpacked size, plus these bytes of headers, is monotonous enough
to be looked into."""

SAMPLE_BYTES, SAMPLE_VALUES = 65_536, 40
"""Bytes that are read at each of three places of an uncompressed file, and how many distinct ones are few."""


def is_monotonous(stream: BinaryIO, size: int, voxels: int) -> bool:
    """Return whether a file repeats itself enough to hold labels, without decoding it.

    Args:
        stream: The file, which is rewound.
        size: Its bytes.
        voxels: Number of voxels or pixels in it.
    """
    unpacked = gzip_length(stream, size) if is_gzip(stream) else voxels
    stream.seek(0)
    if size < PACKED_SHARE * unpacked + PACKED_HEADER:
        return True
    if size < voxels:
        return False
    values: set[int] = set()
    for quarter in (1, 2, 3):
        stream.seek(size * quarter // 4)
        values.update(stream.read(SAMPLE_BYTES))
        if len(values) > SAMPLE_VALUES:
            break
    stream.seek(0)
    return len(values) <= SAMPLE_VALUES
