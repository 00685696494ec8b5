"""MedMNIST-style npz files: `train_images`, `train_labels` and the same for `val` and `test`.

Each image is a scan. Pickled objects are never loaded. Source: https://medmnist.com, version 2.
"""

from __future__ import annotations

import contextlib
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, BinaryIO

import numpy as np

from medcl.archive.arrays import compact, finite, gray_if_equal, image_unit
from medcl.archive.flags import dropped, quarantined
from medcl.archive.formats.scan_info import ScanInfo
from medcl.archive.limits import MAX_SCAN_BYTES, is_bomb
from medcl.archive.scan import Scan
from medcl.archive.storage.open_file import SourceFile
from medcl.names import SPLITS

MAX_LABEL_BYTES = 256 << 20
FLAGS = ("NO_GEOM", "PATIENT_UNKNOWN", "SPACING_UNKNOWN")


@dataclass(frozen=True)
class _ArrayHeader:
    """The header of one array: its shape and dtype, and where its numbers begin in the member."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    start: int

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return int(np.prod(self.shape[1:], dtype=object)) * self.dtype.itemsize


def inspect(file: SourceFile) -> list[ScanInfo]:
    """Return each image of the file as a scan, from the headers of the arrays and the labels.

    Raises:
        Rejected: The file has no image arrays, pickled objects, volumes (whose geometry an npz does not
            have) or labels that do not match the images, unpacks to absurd size, or is damaged.
    """
    with file.open() as stream, _open(stream) as archive:
        present = [split for split in SPLITS if f"{split}_images.npy" in archive.namelist()]
        if not present:
            raise dropped("NO_IMAGES")
        return [scan for split in present for scan in _scans_of_split(archive, split)]


def load(file: SourceFile, part: str) -> Scan:
    """Read one image of a file.

    Args:
        file: The file.
        part: Split and row, such as `train:17`.

    Raises:
        Rejected: As `inspect`; DAMAGED where the member's checksum fails.
    """
    split, _, row = part.partition(":")
    image, _, flags = finite(_images(file, split)[int(row)])
    array = compact(gray_if_equal(image) if image.ndim == 3 else image)
    return Scan(
        array=array,
        affine=None,
        spacing_mm=None,
        unit=image_unit(array.dtype),
        modality="unknown",
        flags=tuple(sorted({*FLAGS, *flags})),
    )


@lru_cache(maxsize=3)
def _images(file: SourceFile, split: str) -> np.ndarray:
    """Return all images of a split, (number, row, column) or (number, row, column, 3).

    The three splits of the last file are kept, as their images are read one after the other.
    """
    with file.open() as stream, _open(stream) as archive:
        header = _header(archive, f"{split}_images.npy")
        return _array(archive, f"{split}_images.npy", header)


def _scans_of_split(archive: zipfile.ZipFile, split: str) -> list[ScanInfo]:
    header = _header(archive, f"{split}_images.npy")
    if len(header.shape) not in (3, 4) or (len(header.shape) == 4 and header.shape[3] != 3):
        raise quarantined("NPZ_SHAPE")
    labels = _labels(archive, split, header.shape[0])
    return [
        ScanInfo(
            part=f"{split}:{row}",
            source="npz",
            kind="image",
            shape=header.shape[1:],
            spacing_mm=None,
            unit=image_unit(header.dtype),
            flags=FLAGS,
            source_split=split,
            source_label=label,
        )
        for row, label in enumerate(labels)
    ]


def _labels(archive: zipfile.ZipFile, split: str, count: int) -> list[str] | list[None]:
    """Return one label per row as text: `1`, or `0;1;1` where a row has several."""
    name = f"{split}_labels.npy"
    if name not in archive.namelist():
        return [None] * count
    header = _header(archive, name)
    if header.shape[:1] != (count,) or count * header.row_bytes > MAX_LABEL_BYTES:
        raise quarantined("NPZ_LABELS")
    rows = _array(archive, name, header).reshape(count, -1)
    return [";".join(str(value) for value in row) for row in rows.tolist()]


def _header(archive: zipfile.ZipFile, name: str) -> _ArrayHeader:
    info = archive.getinfo(name)
    if info.flag_bits & 0x1:
        raise quarantined("ENCRYPTED")
    if info.file_size > MAX_SCAN_BYTES:
        raise quarantined("TOO_LARGE")
    if is_bomb(info.file_size, info.compress_size):
        raise quarantined("BOMB")
    with archive.open(info) as member:
        shape, fortran, dtype = read_array_header(member)
        header = _ArrayHeader(shape, dtype, fortran, member.tell())
    if dtype.hasobject:
        raise quarantined("PICKLE")
    if dtype.kind not in "biuf" or not shape or min(shape) < 0:
        raise quarantined("UNSUPPORTED_DTYPE")
    if header.start + shape[0] * header.row_bytes > info.file_size:
        raise quarantined("TRUNCATED")
    return header


def read_array_header(member: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return shape, whether the first axis is the fastest, and dtype of a `.npy`; nothing is executed.

    Raises:
        Rejected: BAD_HEADER.
    """
    try:
        version = np.lib.format.read_magic(member)
        if version == (1, 0):
            return np.lib.format.read_array_header_1_0(member)
        return np.lib.format.read_array_header_2_0(member)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise quarantined("BAD_HEADER") from None


def _array(archive: zipfile.ZipFile, name: str, header: _ArrayHeader) -> np.ndarray:
    with archive.open(name) as member:
        member.read(header.start)
        content = member.read()  # to the end: zipfile checks the CRC there
    count = header.shape[0] * header.row_bytes
    flat = np.frombuffer(content[:count], header.dtype)
    return flat.reshape(header.shape, order="F" if header.fortran else "C")


@contextlib.contextmanager
def _open(stream: BinaryIO) -> Iterator[zipfile.ZipFile]:
    """Open a zip file; its exceptions become `Rejected`."""
    try:
        with zipfile.ZipFile(stream) as archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError):
        raise quarantined("DAMAGED") from None
