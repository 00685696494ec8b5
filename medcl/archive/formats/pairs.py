"""Analyze 7.5 and NIfTI pairs: a header `.hdr` and a data file `.img` of the same name, gzipped or not.

Analyze states voxel sizes but no directions, so that left and right are unknown.
Source: https://nifti.nimh.nih.gov/nifti-1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from typing import BinaryIO

import numpy as np
from nibabel.nifti1 import header_dtype as HEADER_1
from nibabel.nifti2 import header_dtype as HEADER_2

from medcl.archive.flags import Rejected, quarantined
from medcl.archive.formats import nifti
from medcl.archive.formats.scan_info import DataFile, ScanInfo
from medcl.archive.formats.voxel_data import of_data_file, open_beside
from medcl.archive.limits import is_bomb
from medcl.archive.scan import Scan
from medcl.archive.storage.compression import gunzip, gunzip_head, is_gzip
from medcl.archive.storage.open_file import SourceFile

MAGIC = (
    (344, b"ni1\0"),
    (4, b"ni2\0\r\n\x1a\n"),
    (0, b"\x5c\x01\0\0"),
    (0, b"\0\0\x01\x5c"),
)
NO_GEOMETRY = ("qform_code", "sform_code", "intent_code", "scl_inter", "xyzt_units")
"""Fields of NIfTI in whose place Analyze has others."""


def inspect(file: SourceFile) -> list[ScanInfo]:
    """Check header and length of the data file, and return a scan for each frame.

    Raises:
        Rejected: The header contradicts itself, or its data file is missing or cut off.
    """
    header = _header(file)
    with _data(file) as (stream, found):
        nifti.check_length(header, stream, found.size, is_gzip(stream))
    return nifti.scan_infos(header, "pair", found)


def load(file: SourceFile, part: str) -> Scan:
    """Read one frame; the last file with several is kept. Raises as `inspect`."""
    header, content = _read_and_keep(file) if part else _read(file)
    return nifti.frame(header, content, int(part.partition(":")[2] or 0))


def _read(file: SourceFile) -> tuple[nifti.NiftiHeader, memoryview]:
    header = _header(file)
    with _data(file) as (stream, found):
        if is_bomb(header.needed, found.size):
            raise quarantined("BOMB")
        content = gunzip(stream, header.needed) if is_gzip(stream) else stream.read(header.needed)
        if len(content) < header.needed:
            raise quarantined("TRUNCATED", *header.flags)
    return header, memoryview(content)


_read_and_keep = lru_cache(maxsize=1)(_read)


def _header(file: SourceFile) -> nifti.NiftiHeader:
    """Return the header of a pair, whose voxels may begin at any offset of the data file."""
    with file.open() as stream:
        zipped = is_gzip(stream)
        head = gunzip_head(stream, HEADER_2.itemsize) if zipped else stream.read(HEADER_2.itemsize)
    is_second = head[4:8] == b"ni2\0"
    dtype = HEADER_2 if is_second else HEADER_1
    if len(head) < dtype.itemsize:
        raise quarantined("TRUNCATED")
    length = dtype.itemsize.to_bytes(4, "little")
    raw = np.frombuffer(head[: dtype.itemsize], dtype.newbyteorder("<" if head[:4] == length else ">")).copy()
    offset = float(raw["vox_offset"][0])
    if not 0 <= offset < 1 << 40:
        raise quarantined("BAD_HEADER")
    raw["vox_offset"] = 0
    if not is_second and head[344:348] != b"ni1\0":
        for name in NO_GEOMETRY:
            raw[name] = 0
    return replace(nifti.parse(raw.tobytes()), offset=int(offset))


@contextmanager
def _data(file: SourceFile) -> Iterator[tuple[BinaryIO, DataFile]]:
    """Open the data file of a header; its faults name it as the data file."""
    name = (file.member.partition(":")[2] or file.path).rpartition("/")[2]
    stem = re.sub(r"\.hdr(\.gz)?$", "", name, flags=re.IGNORECASE)
    suffixes = (".img", ".img.gz", ".IMG", ".IMG.GZ", ".Img")
    with open_beside(file, [stem + suffix for suffix in suffixes]) as (stream, found):
        try:
            yield stream, found
        except Rejected as fault:
            raise of_data_file(fault) from None
