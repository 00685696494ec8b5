"""NIfTI-1 and NIfTI-2 single files, plain or gzipped, by the rules of the standard.

The sform is used when its code is set, else the qform; lengths become millimeters; integers stay integers;
each frame or channel of a file is a separate scan. Source: https://nifti.nimh.nih.gov/nifti-1.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, BinaryIO

import numpy as np
from nibabel.nifti1 import header_dtype as HEADER_1
from nibabel.nifti2 import header_dtype as HEADER_2

from medcl.archive.arrays import compact, finite
from medcl.archive.flags import dropped, quarantined
from medcl.archive.formats.nifti_affine import place
from medcl.archive.formats.scan_info import DataFile, ScanInfo
from medcl.archive.geometry import canonical_affine, is_sheared, spacing, to_canonical
from medcl.archive.limits import MAX_SCAN_BYTES, is_bomb
from medcl.archive.scan import Scan
from medcl.archive.storage.compression import gunzip, gunzip_head, gzip_length, is_gzip
from medcl.archive.storage.open_file import SourceFile

MAGIC = ((344, b"n+1\0"), (4, b"n+2\0\r\n\x1a\n"))
MAX_DEFLATE_RATIO = 1032
MAX_AFTER = 1 << 20
"""Bytes after the last voxel that a gzip trailer may state without a check of the whole file."""

RGB, RGBA = 128, 2304
DTYPES = {
    2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8",
    RGB: "u1", RGBA: "u1",
}  # fmt: skip
COMPLEX = (32, 1792, 2048)
TIME_UNITS = 0x38
CIFTI = range(3000, 3100)
"""Intent codes of matrices over brain surfaces, which are NIfTI in form only."""
MAPS = frozenset({*range(2, 25), 1001, 1006, 1007})
"""Intent codes of statistics, estimates, displacements and vectors, which are computed from images."""


@dataclass(frozen=True)
class NiftiHeader:
    """The checked values of a header.

    Attributes:
        dims: (i, j, k), at least 1 each.
        frames: Product of the other dimensions; frames follow each other in the file.
        frame_name: `frame` for time, `channel` for any other dimension.
        dtype: Type of the stored numbers, with byte order.
        samples: Stored numbers per voxel (3 for RGB, 4 for RGBA).
        offset: Bytes from the start of the file to the first voxel.
        slope, intercept: Scaling of the stored numbers; (1, 0) when the header leaves it unset.
        affine: Voxel index to RAS+ mm, (4, 4).
        flags: Flags of the header, sorted.
    """

    dims: tuple[int, int, int]
    frames: int
    frame_name: str
    dtype: np.dtype[Any]
    samples: int
    offset: int
    slope: float
    intercept: float
    affine: np.ndarray
    flags: tuple[str, ...]

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame."""
        return int(np.prod(self.dims, dtype=object)) * self.samples * self.dtype.itemsize

    @property
    def needed(self) -> int:
        """Bytes from the start of the file to the end of the last voxel."""
        return self.offset + self.frame_bytes * self.frames


def inspect(file: SourceFile) -> list[ScanInfo]:
    """Check a file, plain or gzipped, without decoding its voxels and return a scan for each of its frames.

    Raises:
        Rejected: The header contradicts itself, the file is too short for it, or it unpacks to absurd size.
    """
    with file.open() as stream:
        zipped = is_gzip(stream)
        header = parse(_head(stream, zipped))
        check_length(header, stream, file.size, zipped)
    return scan_infos(header, "nifti")


def scan_infos(header: NiftiHeader, source: str, data: DataFile | None = None) -> list[ScanInfo]:
    """Return a description of each frame; `data` is the file of the voxels where the header is its own."""
    affine, dims = canonical_affine(header.affine, header.dims)
    color = (3,) if header.samples > 1 else ()
    return [
        ScanInfo(
            part=f"{header.frame_name}:{number}" if header.frames > 1 else "",
            source=source,
            kind="volume",
            shape=dims + color,
            spacing_mm=spacing(affine),
            unit="a.u.",
            flags=header.flags,
            affine=tuple(affine[:3].ravel().tolist()),
            data=data,
        )
        for number in range(header.frames)
    ]


def parse(head: bytes) -> NiftiHeader:
    """Read a header of 348 (version 1) or 540 (version 2) bytes.

    Raises:
        Rejected: BAD_HEADER, UNSUPPORTED_DTYPE, TOO_LARGE, AFFINE_DEGENERATE, or NOT_AN_IMAGE.
    """
    raw = _raw(head)
    dims, frames, frame_name = _dimensions(raw)
    if int(raw["intent_code"]) in CIFTI or sum(size > 1 for size in dims) < 2:
        raise dropped("NOT_AN_IMAGE")
    code = int(raw["datatype"])
    if code in COMPLEX:
        raise quarantined("COMPLEX")
    if code not in DTYPES:
        raise quarantined("UNSUPPORTED_DTYPE")
    offset = float(raw["vox_offset"])
    smallest = 352 if raw.dtype.itemsize == HEADER_1.itemsize else 544
    if not (offset == 0 or smallest <= offset < 1 << 40):
        raise quarantined("BAD_HEADER")
    samples = {RGB: 3, RGBA: 4}.get(code, 1)
    # The standard leaves colors unscaled.
    slope, intercept = (1.0, 0.0) if samples > 1 else (float(raw["scl_slope"]), float(raw["scl_inter"]))
    affine, flags = place(raw)
    if frames > 1:
        flags |= {"FRAME_OF_MANY"}
    flags |= {"COLOR_VOLUME"} if samples > 1 else set()
    flags |= {"DERIVED"} if int(raw["intent_code"]) in MAPS else set()
    flags |= {"SHEARED"} if is_sheared(affine) else set()
    header = NiftiHeader(
        dims=dims,
        frames=frames,
        frame_name=frame_name,
        dtype=np.dtype(DTYPES[code]).newbyteorder(raw.dtype["dim"].base.byteorder),
        samples=samples,
        offset=int(offset) or smallest,
        slope=slope if np.isfinite(slope) and slope != 0 else 1.0,
        intercept=intercept if np.isfinite(intercept) and np.isfinite(slope) and slope != 0 else 0.0,
        affine=affine,
        flags=tuple(sorted(flags)),
    )
    if header.needed > MAX_SCAN_BYTES:
        raise quarantined("TOO_LARGE")
    return header


def _raw(head: bytes) -> np.void:
    """Return the header as a record, in whichever byte order and version it was written."""
    for dtype, length in ((HEADER_1, 348), (HEADER_2, 540)):
        for order in "<>":
            if len(head) >= length and struct.unpack(f"{order}i", head[:4])[0] == length:
                record: np.void = np.frombuffer(head[:length], dtype.newbyteorder(order))[0]
                return record
    raise quarantined("TRUNCATED" if len(head) < HEADER_1.itemsize else "BAD_HEADER")


def _dimensions(raw: np.void) -> tuple[tuple[int, int, int], int, str]:
    rank = int(raw["dim"][0])
    if not 1 <= rank <= 7:
        raise quarantined("BAD_HEADER")
    sizes = [int(size) for size in raw["dim"][1 : rank + 1]]
    if min(sizes) < 1:
        raise quarantined("BAD_HEADER")
    sizes += [1] * (7 - rank)
    frames = int(np.prod(sizes[3:], dtype=object))
    if frames > 100_000:
        raise quarantined("TOO_LARGE")
    is_time = sizes[3] == frames and int(raw["xyzt_units"]) & TIME_UNITS
    return (sizes[0], sizes[1], sizes[2]), frames, "frame" if is_time else "channel"


def check_length(header: NiftiHeader, stream: BinaryIO, size: int, zipped: bool) -> None:
    """Check that a file holds all voxels, without unpacking it where its gzip trailer says so.

    Raises:
        Rejected: TRUNCATED, DAMAGED or BOMB.
    """
    if not zipped:
        if size < header.needed:
            raise quarantined("TRUNCATED", *header.flags)
        return
    if header.needed > MAX_DEFLATE_RATIO * size:
        raise quarantined("TRUNCATED", *header.flags)
    if is_bomb(header.needed, size):
        raise quarantined("BOMB", *header.flags)
    stream.seek(0)
    if not header.needed <= gzip_length(stream, size) <= header.needed + MAX_AFTER:
        # The last bytes may be no trailer, or that of the last of several members: the content is counted.
        stream.seek(0)
        gunzip(stream, header.needed)


def load(file: SourceFile, part: str) -> Scan:
    """Read one frame of a file as a scan in canonical axis order, checking length and checksum of the file.

    Args:
        file: The file. The last one with several frames is kept, as they are read one after the other.
        part: `frame:3` or `channel:3` for the fourth frame, empty for the only one.

    Raises:
        Rejected: As `inspect`, and DAMAGED where the gzip checksum fails.
    """
    header, content = _read_and_keep(file) if part else _read(file)
    return frame(header, content, int(part.partition(":")[2] or 0))


def _read(file: SourceFile) -> tuple[NiftiHeader, memoryview]:
    """Return header and unpacked bytes of a file."""
    with file.open() as stream:
        zipped = is_gzip(stream)
        header = parse(_head(stream, zipped))
        if is_bomb(header.needed, file.size):
            raise quarantined("BOMB")
        stream.seek(0)
        if zipped:
            content = gunzip(stream, header.needed)
        elif file.size < header.needed:
            raise quarantined("TRUNCATED", *header.flags)
        else:
            content = stream.read(header.needed)
    if len(content) < header.needed:
        raise quarantined("TRUNCATED", *header.flags)
    return header, memoryview(content)


_read_and_keep = lru_cache(maxsize=1)(_read)


def _head(stream: BinaryIO, zipped: bool) -> bytes:
    return gunzip_head(stream, HEADER_2.itemsize) if zipped else stream.read(HEADER_2.itemsize)


def frame(header: NiftiHeader, content: memoryview, number: int) -> Scan:
    """Return one frame as a scan in canonical axis order, from the bytes of the file up to the last voxel."""
    start = header.offset + number * header.frame_bytes
    stored = np.frombuffer(content[start : start + header.frame_bytes], dtype=header.dtype)
    if header.samples > 1:
        array = stored.reshape(*header.dims[::-1], header.samples).transpose(2, 1, 0, 3)[..., :3]
    else:
        array = stored.reshape(header.dims, order="F")
    values, scaled = _values(array, header.slope, header.intercept)
    values, valid, missing = finite(values)
    canonical, affine = to_canonical(values, header.affine)
    flags = {*header.flags, *missing, *(["RESCALED"] if scaled else [])}
    return Scan(
        array=canonical,
        affine=affine,
        spacing_mm=spacing(affine),
        unit="a.u.",
        modality="unknown",
        valid=None if valid is None else to_canonical(valid, header.affine)[0],
        flags=tuple(sorted(flags)),
    )


def _values(array: np.ndarray, slope: float, intercept: float) -> tuple[np.ndarray, bool]:
    """Apply slope and intercept; integers stay integers where the result is exact."""
    if (slope, intercept) == (1.0, 0.0):
        return compact(array), False
    is_small = max(abs(slope), abs(intercept)) < 1 << 20 and array.dtype.itemsize <= 4
    if array.dtype.kind in "iu" and is_small and slope.is_integer() and intercept.is_integer():
        return compact(array.astype(np.int64) * int(slope) + int(intercept)), True
    with np.errstate(over="ignore", invalid="ignore"):
        return (array.astype(np.float64) * slope + intercept).astype(np.float32), True
