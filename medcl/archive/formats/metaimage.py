"""MetaImage (ITK): `.mha` with its voxels, or `.mhd` with a data file. Its space is LPS, in millimeters.

Source: https://itk.org/Wiki/ITK/MetaIO/Documentation.
"""

from __future__ import annotations

import numpy as np

from medcl.archive.flags import dropped, quarantined
from medcl.archive.formats import voxel_data
from medcl.archive.formats.scan_info import ScanInfo
from medcl.archive.formats.voxel_data import Encoding, VoxelData
from medcl.archive.formats.voxel_grid import VoxelGrid, checked, scan_infos
from medcl.archive.geometry import LPS_TO_RAS
from medcl.archive.storage.open_file import SourceFile

MAGIC = tuple(
    (0, f"{key}{equals}".encode())
    for key in ("ObjectType", "NDims", "Comment", "BinaryData", "ObjectSubType")
    for equals in (" =", "=")
)
MAX_HEADER_BYTES = 1 << 16
DTYPES = {
    "CHAR": "i1", "UCHAR": "u1", "SHORT": "i2", "USHORT": "u2", "INT": "i4", "UINT": "u4", "LONG": "i4",
    "ULONG": "u4", "LONG_LONG": "i8", "ULONG_LONG": "u8", "FLOAT": "f4", "DOUBLE": "f8",
}  # fmt: skip
Fields = dict[str, str]


def inspect(file: SourceFile) -> list[ScanInfo]:
    """Check header and length of the voxels, and return the scans.

    Raises:
        Rejected: The header contradicts itself, its data file is missing or outside of its folder, or the
            voxels are cut off.
    """
    grid, data = _header(file)
    return scan_infos(grid, "metaimage", voxel_data.check(file, data))


def _header(file: SourceFile) -> tuple[VoxelGrid, VoxelData]:
    with file.open() as stream:
        head = stream.read(MAX_HEADER_BYTES)
    fields, end = _fields(head)
    if fields.get("objecttype", "Image").lower() != "image":
        raise dropped("NOT_AN_IMAGE")
    try:
        grid = checked(_grid(fields))
        return grid, _data(fields, grid, end)
    except (ValueError, KeyError, IndexError, OverflowError):
        raise quarantined("BAD_HEADER") from None


def _fields(head: bytes) -> tuple[Fields, int]:
    """Return the fields by lower-case name, and where the header ends."""
    fields: Fields = {}
    start = 0
    while (end := head.find(b"\n", start)) >= 0 or start < len(head):
        end = len(head) if end < 0 else end
        name, equals, value = head[start:end].decode("utf-8", "surrogateescape").partition("=")
        if not equals and name.strip():
            break
        fields[name.strip().lower()] = value.strip()
        start = end + 1
        if name.strip().lower() == "elementdatafile":
            return fields, start
    raise dropped("NOT_AN_IMAGE") if "ndims" not in fields else quarantined("BAD_HEADER")


def _grid(fields: Fields) -> VoxelGrid:
    rank = int(fields["ndims"])
    sizes = tuple(int(size) for size in fields["dimsize"].split())
    if rank not in (2, 3, 4) or len(sizes) != rank:
        raise quarantined("BAD_HEADER")
    kind = fields["elementtype"].upper().removeprefix("MET_").removesuffix("_ARRAY")
    if kind not in DTYPES:
        raise quarantined("UNSUPPORTED_DTYPE")
    order = ">" if _is_true(fields, "binarydatabyteordermsb", "elementbyteordermsb") else "<"
    dtype = np.dtype(order + DTYPES[kind])
    channels = int(fields.get("elementnumberofchannels", "1"))
    first = int(channels != 1)
    affine, lengths, flags = _affine(fields, rank)
    return VoxelGrid(
        sizes=(*([channels] if first else []), *sizes),
        dtype=dtype,
        spatial=tuple(range(first, first + min(rank, 3))),
        color=0 if channels in (3, 4) and kind == "UCHAR" else None,
        affine=affine,
        spacing_mm=lengths,
        frame_name="frame" if rank == 4 and not first else "channel",
        flags=frozenset(flags),
    )


def _affine(fields: Fields, rank: int) -> tuple[np.ndarray | None, tuple[float, ...] | None, set[str]]:
    """Return the affine of a volume, or the spacing (row, column) of an image, and flags."""
    lengths = _numbers(fields, rank, "elementspacing", "elementsize")
    if rank == 2:
        return None, None if lengths is None else (float(lengths[1]), float(lengths[0])), set()
    axes = _numbers(fields, rank * rank, "transformmatrix", "orientation", "rotation")
    origin = _numbers(fields, rank, "offset", "position", "origin")
    flags = set() if axes is not None else {"XFORM_UNKNOWN"}
    flags |= set() if lengths is not None else {"SPACING_UNKNOWN"}
    # Each run of `rank` numbers is the direction of one axis.
    directions = np.eye(3) if axes is None else axes.reshape(rank, rank)[:3, :3].T
    affine = np.eye(4)
    affine[:3, :3] = directions * (np.ones(3) if lengths is None else np.abs(lengths[:3]))
    affine[:3, 3] = 0.0 if origin is None else origin[:3]
    return LPS_TO_RAS @ affine, None, flags


def _numbers(fields: Fields, count: int, *names: str) -> np.ndarray | None:
    for name in names:
        if name in fields:
            numbers = np.array([float(word) for word in fields[name].split()])
            if len(numbers) != count:
                raise quarantined("BAD_HEADER")
            return numbers
    return None


def _data(fields: Fields, grid: VoxelGrid, end: int) -> VoxelData:
    name = fields["elementdatafile"]
    if name.upper().startswith("LIST") or "%" in name:
        raise quarantined("DATA_SPREAD")
    encoding: Encoding = "zlib" if _is_true(fields, "compresseddata") else "raw"
    if fields.get("binarydata", "True").lower().startswith("f"):
        encoding = "text"
    if name.upper() == "LOCAL":
        return VoxelData(encoding, grid.needed, grid.dtype, offset=end)
    offset = int(fields.get("headersize", "0"))
    if offset < -1:
        raise quarantined("BAD_HEADER")
    return VoxelData(encoding, grid.needed, grid.dtype, file=name, offset=offset)


def _is_true(fields: Fields, *names: str) -> bool:
    return any(fields.get(name, "").lower() in ("true", "t", "1") for name in names)


load = voxel_data.grid_loader(_header)
