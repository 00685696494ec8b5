"""The data file of a shard: arrays in blocks, each with a checksum.

An array lies in consecutive blocks along its first axis, which for a volume is the slice axis: a block is one
slice, or several while they are smaller than `LEAST_BLOCK`. An image is one block. `00012.bin` holds the
blocks, `00012.blocks.npy` where each begins, how long it is, and the CRC-32 of its bytes.

Arrays that are stored as they are (`raw`) are memory-mapped, so one slice costs one contiguous read. Others
are decoded block by block. Each block is checked the first time that a process reads it.
"""

from __future__ import annotations

import mmap
import threading
import zlib
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np

from medcl.errors import UsageError
from medcl.files import atomic

Codec = Literal["raw", "zlib", "blosc2"]
CODECS: tuple[Codec, ...] = ("raw", "zlib", "blosc2")

BLOCK = np.dtype([("offset", "<u8"), ("size", "<u8"), ("checksum", "<u4")])
LEAST_BLOCK = 2**16
"""Bytes of several slices that share a block."""

ALIGNMENT = 64
REMEDY = "copy the store again, or prepare it into a new folder"

MOST_OPEN = 64
"""Shards that are memory-mapped at once; each takes one file descriptor."""


def slices_per_block(shape: tuple[int, ...], itemsize: int) -> int:
    """Return how many entries along the first axis of an array share a block."""
    return max(1, LEAST_BLOCK // max(1, itemsize * int(np.prod(shape[1:]))))


class ShardWriter:
    """Writes arrays to the data file of a shard, one after the other, without keeping them in memory."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._blocks: list[tuple[int, int, int]] = []

    def add(self, array: np.ndarray, codec: Codec) -> int:
        """Write `array` in blocks along its first axis and return the number of its first block."""
        first = len(self._blocks)
        self._stream.write(bytes(-self._stream.tell() % ALIGNMENT))
        step = slices_per_block(array.shape, array.itemsize)
        for start in range(0, len(array), step):
            data = _encode(np.ascontiguousarray(array[start : start + step]), codec)
            self._blocks.append((self._stream.tell(), len(data), zlib.crc32(data)))
            self._stream.write(data)
        return first

    def table(self) -> np.ndarray:
        """Return the blocks that were written, with the fields of `BLOCK`."""
        return np.array(self._blocks, BLOCK)


@contextmanager
def writing_shard(path: Path) -> Iterator[ShardWriter]:
    """Write the data file and the table of blocks of the shard at `path` (without suffix), or neither."""
    with atomic(path.with_suffix(".bin")) as temporary:
        with temporary.open("wb") as stream:
            writer = ShardWriter(stream)
            yield writer
        with atomic(path.with_suffix(".blocks.npy")) as blocks, blocks.open("wb") as stream:
            np.save(stream, writer.table(), allow_pickle=False)


class ShardReader:
    """Reads arrays of one shard.

    Args:
        path: Path of the shard without suffix.

    Raises:
        UsageError: a file of the shard is missing, cut or damaged.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.with_suffix(".bin")
        try:
            self._blocks = np.load(path.with_suffix(".blocks.npy"), allow_pickle=False)
            with self._path.open("rb") as stream:
                self._map = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) if _size(stream) else None
        except (OSError, ValueError, EOFError) as error:
            raise UsageError(f"{self._path}: cannot be read ({error}); {REMEDY}") from None
        ends = self._blocks["offset"] + self._blocks["size"]
        if len(ends) and int(ends.max()) > len(self._map or b""):
            raise UsageError(f"{self._path}: is cut; {REMEDY}")
        self._checked = np.zeros(len(self._blocks), bool)
        if self._map is not None:
            # Neighboring slices are hardly ever wanted: the system must not read them, too.
            self._map.madvise(mmap.MADV_RANDOM)

    def array(
        self,
        first: int,
        shape: tuple[int, ...],
        dtype: np.dtype,
        codec: Codec,
        wanted: tuple[int, int],
    ) -> np.ndarray:
        """Return an array that cannot be written.

        Args:
            first: Its first block.
            shape: Its shape.
            dtype: Its type.
            codec: How its blocks are encoded.
            wanted: First and one past the last entry along the first axis to read; the others are undefined.

        Raises:
            UsageError: a block is damaged.
        """
        step, numbers = self._will_need(first, shape, dtype, wanted)
        if codec == "raw":
            for number in numbers:
                self._check(number)
            offset = int(self._blocks["offset"][first])
            assert self._map is not None
            return np.frombuffer(self._map, dtype, int(np.prod(shape)), offset).reshape(shape)
        decoded = np.zeros(shape, dtype)
        for number in numbers:
            at = (number - first) * step
            part = decoded[at : at + step]
            part[...] = _decode(self._check(number), codec, dtype).reshape(part.shape)
        decoded.flags.writeable = False
        return decoded

    def page_in(self, first: int, shape: tuple[int, ...], dtype: np.dtype, wanted: tuple[int, int]) -> None:
        """Have the system read the blocks of some entries, and check those that were not read before."""
        _, numbers = self._will_need(first, shape, dtype, wanted)
        for number in numbers:
            if not self._checked[number]:
                self._check(number)

    def block_sizes(
        self, first: int, shape: tuple[int, ...], dtype: np.dtype, wanted: tuple[int, int]
    ) -> dict[int, int]:
        """Return the bytes of each block that some entries lie in, by its number; see `array`."""
        _, numbers = _blocks_of(first, shape, dtype, wanted)
        return {number: int(self._blocks["size"][number]) for number in numbers}

    def _will_need(
        self, first: int, shape: tuple[int, ...], dtype: np.dtype, wanted: tuple[int, int]
    ) -> tuple[int, range]:
        """Have the system read the blocks of some entries; return the entries per block and its blocks."""
        step, numbers = _blocks_of(first, shape, dtype, wanted)
        start, last = int(self._blocks["offset"][numbers[0]]), self._blocks[numbers[-1]]
        page = start // mmap.PAGESIZE * mmap.PAGESIZE
        assert self._map is not None
        self._map.madvise(mmap.MADV_WILLNEED, page, int(last["offset"] + last["size"]) - page)
        return step, numbers

    def _check(self, number: int) -> memoryview:
        """Return the bytes of a block, compared with its checksum when it is read for the first time."""
        offset, size = int(self._blocks["offset"][number]), int(self._blocks["size"][number])
        assert self._map is not None
        data = memoryview(self._map)[offset : offset + size]
        if not self._checked[number]:
            if zlib.crc32(data) != self._blocks["checksum"][number]:
                raise UsageError(f"{self._path}: block {number} is damaged (its checksum differs); {REMEDY}")
            self._checked[number] = True
        return data


class OpenShards:
    """The shards of a store, of which the last `MOST_OPEN` that were used stay open.

    An array that was returned keeps its own shard mapped until it is gone.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: OrderedDict[int, ShardReader] = OrderedDict()
        self._lock = threading.Lock()

    def __getitem__(self, number: int) -> ShardReader:
        with self._lock:
            reader = self._open.pop(number, None) or ShardReader(shard_path(self._folder, number))
            self._open[number] = reader
            if len(self._open) > MOST_OPEN:
                self._open.popitem(last=False)
            return reader


def shard_path(folder: Path, number: int) -> Path:
    """Return the path without suffix of a shard of the store at `folder`: a thousand share a folder."""
    return folder / "arrays" / f"{number // 1000:04d}" / f"{number:07d}"


def _blocks_of(
    first: int, shape: tuple[int, ...], dtype: np.dtype, wanted: tuple[int, int]
) -> tuple[int, range]:
    """Return the entries per block, and the numbers of the blocks that some entries lie in."""
    step = slices_per_block(shape, dtype.itemsize)
    return step, range(first + wanted[0] // step, first + -(-wanted[1] // step))


def _size(stream: BinaryIO) -> int:
    size = stream.seek(0, 2)
    stream.seek(0)
    return size


def _encode(array: np.ndarray, codec: Codec) -> bytes | memoryview:
    if codec == "raw":
        return array.reshape(-1).view(np.uint8).data
    if codec == "zlib":
        return zlib.compress(array.reshape(-1).view(np.uint8).data, 1)
    encoded: bytes = _imagecodecs().blosc2_encode(
        array, level=5, compressor="lz4", shuffle="shuffle", typesize=array.itemsize, numthreads=1
    )
    return encoded


def _decode(data: memoryview, codec: Codec, dtype: np.dtype) -> np.ndarray:
    decoded = zlib.decompress(data) if codec == "zlib" else _imagecodecs().blosc2_decode(data, numthreads=1)
    return np.frombuffer(decoded, dtype)


def _imagecodecs() -> Any:
    try:
        import imagecodecs
    except ImportError:
        raise UsageError(
            "compressed stores need imagecodecs: pip install 'medcl[codecs]', or prepare without --compress"
        ) from None
    return imagecodecs
