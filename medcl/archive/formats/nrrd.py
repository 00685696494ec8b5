"""NRRD: `.nrrd` with its voxels, or `.nhdr` with a data file; each axis says what it is.

Source: https://teem.sourceforge.net/nrrd/format.html.
"""

from __future__ import annotations

import re

import numpy as np

from medcl.archive.flags import quarantined
from medcl.archive.formats import voxel_data
from medcl.archive.formats.scan_info import ScanInfo
from medcl.archive.formats.voxel_data import Encoding, VoxelData
from medcl.archive.formats.voxel_grid import VoxelGrid, checked, scan_infos
from medcl.archive.storage.open_file import SourceFile

MAGIC = ((0, b"NRRD000"),)
MAX_HEADER_BYTES = 1 << 20
DTYPES = {
    **dict.fromkeys(("signed char", "int8", "int8_t"), "i1"),
    **dict.fromkeys(("uchar", "unsigned char", "uint8", "uint8_t"), "u1"),
    **dict.fromkeys(("short", "short int", "signed short", "signed short int", "int16", "int16_t"), "i2"),
    **dict.fromkeys(("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"), "u2"),
    **dict.fromkeys(("int", "signed int", "int32", "int32_t"), "i4"),
    **dict.fromkeys(("uint", "unsigned int", "uint32", "uint32_t"), "u4"),
    **dict.fromkeys(("longlong", "long long", "long long int", "signed long long", "int64", "int64_t"), "i8"),
    **dict.fromkeys(("ulonglong", "unsigned long long", "unsigned long long int"), "u8"),
    **dict.fromkeys(("uint64", "uint64_t"), "u8"),
    "float": "f4", "double": "f8",
}  # fmt: skip
ENCODINGS: dict[str, Encoding] = {
    "raw": "raw", "gzip": "gzip", "gz": "gzip", "bzip2": "bzip2", "bz2": "bzip2", "text": "text",
    "txt": "text", "ascii": "text",
}  # fmt: skip
SIGNS = {"right": (0, 1.0), "left": (0, -1.0), "anterior": (1, 1.0), "posterior": (1, -1.0),
         "superior": (2, 1.0), "inferior": (2, -1.0)}  # fmt: skip
SHORT_SPACES = {
    "RAS": "right-anterior-superior", "LAS": "left-anterior-superior", "LPS": "left-posterior-superior"
}  # fmt: skip
MILLIMETERS = {"mm": 1.0, "millimeter": 1.0, "um": 1e-3, "µm": 1e-3, "micron": 1e-3, "cm": 10.0, "m": 1e3}
COLOR_KINDS = ("rgb-color", "3-color", "rgba-color", "4-color")
Fields = dict[str, str]


def inspect(file: SourceFile) -> list[ScanInfo]:
    """Check header and length of the voxels, and return the scans.

    Raises:
        Rejected: The header contradicts itself, its data file is missing or outside of its folder, or the
            voxels are cut off.
    """
    grid, data = _header(file)
    return scan_infos(grid, "nrrd", voxel_data.check(file, data))


def _header(file: SourceFile) -> tuple[VoxelGrid, VoxelData]:
    with file.open() as stream:
        head = stream.read(MAX_HEADER_BYTES)
    fields, end = _fields(head)
    try:
        grid = checked(_grid(fields))
        return grid, _data(fields, grid, end)
    except (ValueError, KeyError, IndexError, OverflowError):
        raise quarantined("BAD_HEADER") from None


def _fields(head: bytes) -> tuple[Fields, int]:
    """Return the fields by lower-case name without spaces, and where the header ends."""
    blank = re.search(rb"\r?\n\r?\n", head)
    end = blank.end() if blank else len(head)
    if blank is None and len(head) == MAX_HEADER_BYTES:
        raise quarantined("BAD_HEADER")
    fields: Fields = {}
    for line in head[: blank.start() if blank else end].decode("utf-8", "surrogateescape").splitlines()[1:]:
        name, separator, value = line.partition(": ")
        if separator and ":=" not in name and not line.startswith("#"):
            fields[name.strip().lower().replace(" ", "")] = value.strip()
    return fields, end


def _grid(fields: Fields) -> VoxelGrid:
    rank = int(fields["dimension"])
    sizes = tuple(int(size) for size in fields["sizes"].split())
    kinds = fields.get("kinds", "").lower().split() or ["???"] * rank
    if len(sizes) != rank or len(kinds) != rank:
        raise quarantined("BAD_HEADER")
    if fields["type"].lower() not in DTYPES:
        raise quarantined("UNSUPPORTED_DTYPE")
    dtype = np.dtype(DTYPES[fields["type"].lower()])
    if dtype.itemsize > 1 and fields["encoding"].lower() not in ("text", "txt", "ascii"):
        dtype = np.dtype({"little": "<", "big": ">"}[fields["endian"].lower()] + dtype.str[1:])
    vectors = _vectors(fields, rank)
    spatial = _spatial(vectors, kinds, rank)
    colors = [
        axis for axis in range(rank) if axis not in spatial and _is_color(kinds[axis], sizes[axis], dtype)
    ]
    affine, lengths, flags = _geometry(fields, vectors, spatial)
    further = [kinds[axis] for axis in range(rank) if axis not in (*spatial, *colors)]
    return VoxelGrid(
        sizes=sizes,
        dtype=dtype,
        spatial=spatial,
        color=colors[0] if colors else None,
        affine=affine,
        spacing_mm=lengths,
        frame_name="frame" if further == ["time"] else "channel",
        flags=frozenset(flags),
    )


def _is_color(kind: str, size: int, dtype: np.dtype) -> bool:
    return kind in COLOR_KINDS and size in (3, 4) and dtype == np.uint8


def _vectors(fields: Fields, rank: int) -> list[np.ndarray | None] | None:
    """Return the direction of each axis, None for one that is not in space."""
    if "spacedirections" not in fields:
        return None
    words = re.findall(r"none|\([^)]*\)", fields["spacedirections"], flags=re.IGNORECASE)
    if len(words) != rank:
        raise quarantined("BAD_HEADER")
    vectors = [None if word.lower() == "none" else _vector(word) for word in words]
    return [None if vector is None or np.isnan(vector).all() else vector for vector in vectors]


def _vector(text: str) -> np.ndarray:
    return np.array([float(word) for word in text.strip("() ").split(",")])


def _spatial(vectors: list[np.ndarray | None] | None, kinds: list[str], rank: int) -> tuple[int, ...]:
    """Return which axes are spatial: those with a direction, else those whose kind says so or nothing."""
    if vectors is not None:
        axes = [axis for axis, vector in enumerate(vectors) if vector is not None]
    else:
        axes = [axis for axis, kind in enumerate(kinds) if kind in ("domain", "space", "???", "none")]
    if len(axes) not in (2, 3):
        raise quarantined("NRRD_AXES")
    return tuple(axes)


def _geometry(
    fields: Fields, vectors: list[np.ndarray | None] | None, spatial: tuple[int, ...]
) -> tuple[np.ndarray | None, tuple[float, ...] | None, set[str]]:
    """Return the affine of a volume, or the spacing (row, column) of an image, and flags."""
    scale, flags = _scale(fields)
    lengths = _lengths(fields, vectors, spatial)
    if len(spatial) == 2:
        if lengths is None:
            return None, None, set()
        return None, (float(lengths[1] * scale), float(lengths[0] * scale)), flags
    affine = np.eye(4)
    if vectors is None:
        affine[:3, :3] = np.diag(np.ones(3) if lengths is None else lengths * scale)
        flags |= {"XFORM_UNKNOWN"} | ({"SPACING_UNKNOWN"} if lengths is None else set())
        return affine, None, flags
    columns = np.stack([vector for vector in vectors if vector is not None], axis=1)
    if columns.shape[0] < 3:
        raise quarantined("NRRD_AXES")
    origin = _vector(fields["spaceorigin"]) if "spaceorigin" in fields else np.zeros(3)
    affine[:3, :3], affine[:3, 3] = columns[:3] * scale, origin[:3] * scale
    turn = _to_ras(fields.get("space", ""))
    return (affine, None, flags | {"XFORM_UNKNOWN"}) if turn is None else (turn @ affine, None, flags)


def _lengths(
    fields: Fields, vectors: list[np.ndarray | None] | None, spatial: tuple[int, ...]
) -> np.ndarray | None:
    if vectors is not None:
        return np.array([np.linalg.norm(vectors[axis]) for axis in spatial])  # type: ignore[arg-type]
    if "spacings" not in fields:
        return None
    spacings = np.abs([float(word) for word in fields["spacings"].split()])[list(spatial)]
    return None if np.isnan(spacings).any() else spacings


def _scale(fields: Fields) -> tuple[float, set[str]]:
    """Return the millimeters of a unit of length, and flags."""
    text = fields.get("spaceunits") or fields.get("units") or ""
    units = {unit.strip().lower() for unit in re.findall(r'"([^"]*)"', text)} & set(MILLIMETERS)
    if len(units) != 1:
        return 1.0, {"UNITS_UNKNOWN"}
    scale = MILLIMETERS[units.pop()]
    return scale, set() if scale == 1.0 else {"UNITS_SCALED"}


def _to_ras(space: str) -> np.ndarray | None:
    """Return the matrix from a named space to RAS+, or None when the space names no direction."""
    space = space.strip('" ').removesuffix("-time").removesuffix("T")
    words = SHORT_SPACES.get(space.upper(), space.lower()).split("-")
    if len(words) != 3 or {SIGNS.get(word, (-1, 0.0))[0] for word in words} != {0, 1, 2}:
        return None
    turn = np.zeros((4, 4))
    turn[3, 3] = 1.0
    for column, word in enumerate(words):
        row, sign = SIGNS[word]
        turn[row, column] = sign
    return turn


def _data(fields: Fields, grid: VoxelGrid, end: int) -> VoxelData:
    encoding = ENCODINGS.get(fields["encoding"].lower())
    if encoding is None:
        raise quarantined("NRRD_ENCODING")
    lines, skip = int(fields.get("lineskip", "0")), int(fields.get("byteskip", "0"))
    if lines or skip < -1 or (skip == -1 and encoding != "raw"):
        raise quarantined("NRRD_ENCODING")
    name = fields.get("datafile", "")
    if name.upper().startswith("LIST") or "%" in name:
        raise quarantined("DATA_SPREAD")
    start = 0 if name else end
    if encoding == "raw":
        offset = -1 if skip == -1 else start + skip
        return VoxelData(encoding, grid.needed, grid.dtype, file=name, offset=offset)
    return VoxelData(encoding, grid.needed, grid.dtype, file=name, offset=start, skip=max(skip, 0))


load = voxel_data.grid_loader(_header)
