"""Voxels behind a header: in the same file or in one beside it, plain or compressed."""

from __future__ import annotations

import bz2
import contextlib
import io
import os
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, BinaryIO, Literal

import numpy as np

from medcl.archive.flags import Rejected, quarantined
from medcl.archive.formats.scan_info import DataFile
from medcl.archive.formats.voxel_grid import VoxelGrid, frame
from medcl.archive.limits import is_bomb
from medcl.archive.scan import Scan
from medcl.archive.storage.compression import gunzip, gzip_length
from medcl.archive.storage.containers import container_kind, members
from medcl.archive.storage.containers import content as member_content
from medcl.archive.storage.open_file import SourceFile
from medcl.archive.storage.remote import is_url, open_file, status
from medcl.archive.storage.sniff import HEAD_BYTES, head_hash

Encoding = Literal["raw", "zlib", "gzip", "bzip2", "text"]
MAX_AFTER = 1 << 20
MAX_TEXT_BYTES = 32
"""Bytes of one number written as text, with the white space after it."""


@dataclass(frozen=True)
class VoxelData:
    """Where the voxels of a header are.

    Attributes:
        encoding: How they are compressed.
        needed: Bytes of all voxels when unpacked.
        dtype: Data type of a number, into which text is converted.
        file: Path of the data file relative to the header's folder; empty where the voxels follow the header.
        offset: Bytes before them in the file; -1 where they are its last bytes.
        skip: Bytes before them after unpacking.
    """

    encoding: Encoding
    needed: int
    dtype: np.dtype[Any]
    file: str = ""
    offset: int = 0
    skip: int = 0


def check(source: SourceFile, data: VoxelData) -> DataFile | None:
    """Check that all voxels are there, and return the data file where they have one.

    Raises:
        Rejected: DATA_MISSING, DATA_OUTSIDE, DATA_TRUNCATED, DATA_DAMAGED, TRUNCATED, DAMAGED or BOMB.
    """
    with _opened(source, data) as (stream, size, found):
        if data.encoding == "raw":
            if size < max(data.offset, 0) + data.needed + data.skip:
                raise quarantined("TRUNCATED")
        elif data.encoding != "gzip" or not _trailer_agrees(stream, size, data):
            _unpacked(stream, size, data)
    return found


def load(source: SourceFile, data: VoxelData) -> bytes:
    """Return the bytes of all voxels; raises as `check`."""
    with _opened(source, data) as (stream, size, _):
        return _unpacked(stream, size, data)


def _trailer_agrees(stream: BinaryIO, size: int, data: VoxelData) -> bool:
    """Return whether the length that a gzip trailer states is that of the voxels."""
    length = data.needed + data.skip
    if is_bomb(length, size - data.offset):
        raise quarantined("BOMB")
    return length <= gzip_length(stream, size) <= length + MAX_AFTER


def _unpacked(stream: BinaryIO, size: int, data: VoxelData) -> bytes:
    length = data.needed + data.skip
    packed = max(0, size - max(data.offset, 0))
    if data.encoding == "raw":
        stream.seek(size - data.needed if data.offset < 0 else data.offset + data.skip)
        content = stream.read(data.needed)
        if len(content) < data.needed or size < data.needed:
            raise quarantined("TRUNCATED")
        return content
    if is_bomb(length, packed):
        raise quarantined("BOMB")
    stream.seek(max(data.offset, 0))
    if data.encoding == "gzip":
        return gunzip(stream, length)[data.skip :]
    if data.encoding == "text":
        return _from_text(stream, data)
    return _decompressed(stream, data.encoding, length)[data.skip :]


def _decompressed(stream: BinaryIO, encoding: Encoding, length: int) -> bytes:
    """Unpack zlib or bzip2 to its end, which must come at `length` bytes or soon after."""
    unpacker: Any = zlib.decompressobj() if encoding == "zlib" else bz2.BZ2Decompressor()
    packed = stream.read()
    try:
        content: bytes = unpacker.decompress(packed, length + MAX_AFTER)
    except (zlib.error, OSError, ValueError):
        raise quarantined("DAMAGED") from None
    if len(content) < length or (not unpacker.eof and len(content) < length + MAX_AFTER):
        raise quarantined("TRUNCATED")
    if not unpacker.eof:
        raise quarantined("BOMB")
    return content


def _from_text(stream: BinaryIO, data: VoxelData) -> bytes:
    count = data.needed // data.dtype.itemsize
    words = stream.read(count * MAX_TEXT_BYTES).split()
    if len(words) < count:
        raise quarantined("TRUNCATED")
    try:
        numbers = np.array(words[:count], dtype="S32").astype(np.float64)
    except ValueError:
        raise quarantined("DAMAGED") from None
    return numbers.astype(data.dtype).tobytes()


@contextlib.contextmanager
def _opened(source: SourceFile, data: VoxelData) -> Iterator[tuple[BinaryIO, int, DataFile | None]]:
    """Open the file of the voxels; faults of a separate data file name it as such."""
    if not data.file:
        with source.open() as stream:
            yield stream, source.size, None
        return
    with open_beside(source, [data.file]) as (stream, found):
        try:
            yield stream, found.size, found
        except Rejected as fault:
            raise of_data_file(fault) from None


def of_data_file(fault: Rejected) -> Rejected:
    """Return a fault by the code that says that it is one of a data file."""
    codes = {"TRUNCATED": "DATA_TRUNCATED", "DAMAGED": "DATA_DAMAGED"}
    return Rejected(fault.state, codes.get(fault.code, fault.code), fault.flags)


@contextlib.contextmanager
def open_beside(source: SourceFile, names: list[str]) -> Iterator[tuple[BinaryIO, DataFile]]:
    """Open the first of some files that exists in the folder of a header or in a folder below it.

    Args:
        source: The header.
        names: Paths relative to the header's folder, as the header states them.

    Raises:
        Rejected: DATA_OUTSIDE for a path that leads out of the folder, DATA_MISSING where there is none.
    """
    relative = [_relative(name) for name in names]
    if source.member:
        yield _member_beside(source, relative)
        return
    folder = source.path.rpartition("/")[0]
    path = next((f"{folder}/{name}" for name in relative if _exists(f"{folder}/{name}")), None)
    if path is None:
        raise quarantined("DATA_MISSING")
    is_inside = is_url(path) or os.path.realpath(path).startswith(os.path.realpath(folder) + "/")
    if not is_inside and not source.follow_links:
        raise quarantined("DATA_OUTSIDE")
    size, mtime_ns = status(path)
    with open_file(path) as stream:
        head = head_hash(stream.read(HEAD_BYTES))
        stream.seek(0)
        yield stream, DataFile(path, "", size, mtime_ns, head)


def _exists(path: str) -> bool:
    try:
        status(path)
    except (OSError, ValueError):
        return False
    return is_url(path) or os.path.isfile(path)


def _relative(name: str) -> str:
    """Return a path with forward slashes that stays below its folder."""
    parts = [part for part in name.replace("\\", "/").split("/") if part != "."]
    if ".." in parts or "" in parts or "\0" in name or name[1:2] == ":":
        raise quarantined("DATA_OUTSIDE")
    return "/".join(parts)


def _member_beside(source: SourceFile, names: list[str]) -> tuple[BinaryIO, DataFile]:
    folder, slash, _ = source.member.partition(":")[2].rpartition("/")
    wanted = [f"{folder}{slash}{name}" for name in names]
    with open_file(source.path) as stream:
        kind = container_kind(stream)
        if kind is None:
            raise quarantined("CHANGED")
        for member in members(stream, kind, status(source.path)[0]):
            if member.name.removeprefix("./") in [name.removeprefix("./") for name in wanted]:
                if member.fault is not None:
                    raise member.fault
                content = member_content(member)
                data_file = DataFile(
                    source.path, member.key, member.size, source.mtime_ns, head_hash(content[:HEAD_BYTES])
                )
                return io.BytesIO(content), data_file
    raise quarantined("DATA_MISSING")


def grid_loader(
    read_header: Callable[[SourceFile], tuple[VoxelGrid, VoxelData]],
) -> Callable[[SourceFile, str], Scan]:
    """Return the function `load` of a format whose header describes a grid of voxels.

    It reads one scan of a file, and keeps the voxels of the last file that holds several.

    Args:
        read_header: Function that returns the grid of a file and where its voxels are, or raises Rejected.
    """

    def read(file: SourceFile) -> tuple[VoxelGrid, bytes]:
        grid, data = read_header(file)
        return grid, load(file, data)

    read_and_keep = lru_cache(maxsize=1)(read)

    def load_scan(file: SourceFile, part: str) -> Scan:
        grid, content = read_and_keep(file) if part else read(file)
        return frame(grid, content, part)

    return load_scan
