"""NumPy's `.npy`: an image, or a volume without geometry. Pickled objects are never loaded.

Source: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html.
"""

from __future__ import annotations

import numpy as np

from medcl.archive.flags import quarantined
from medcl.archive.formats import voxel_data
from medcl.archive.formats.npz import read_array_header
from medcl.archive.formats.scan_info import ScanInfo
from medcl.archive.formats.voxel_data import VoxelData
from medcl.archive.formats.voxel_grid import VoxelGrid, checked, frame, scan_infos
from medcl.archive.scan import Scan
from medcl.archive.storage.open_file import SourceFile

MAGIC = ((0, b"\x93NUMPY"),)


def inspect(file: SourceFile) -> list[ScanInfo]:
    """Check header and length of an array of two axes (image) or three (volume, or color image).

    Raises:
        Rejected: Pickled objects, another number of axes, or an array that is cut off.
    """
    grid, data = _header(file)
    voxel_data.check(file, data)
    return scan_infos(grid, "npy")


def load(file: SourceFile, part: str) -> Scan:
    """Read the array; `part` is empty, as a file has one. Raises as `inspect`."""
    grid, data = _header(file)
    return frame(grid, voxel_data.load(file, data), part)


def _header(file: SourceFile) -> tuple[VoxelGrid, VoxelData]:
    with file.open() as stream:
        shape, is_fortran, dtype = read_array_header(stream)
        offset = stream.tell()
    if dtype.hasobject:
        raise quarantined("PICKLE")
    if dtype.kind == "c":
        raise quarantined("COMPLEX")
    if dtype.kind not in "biuf":
        raise quarantined("UNSUPPORTED_DTYPE")
    rank = len(shape)
    has_color = rank == 3 and shape[2] in (3, 4) and dtype == np.uint8
    if rank not in (2, 3):
        raise quarantined("NPY_SHAPE")
    axes = range(rank) if is_fortran else range(rank)[::-1]
    is_image = rank == 2 or has_color
    grid = checked(
        VoxelGrid(
            sizes=tuple(shape) if is_fortran else tuple(shape)[::-1],
            dtype=dtype,
            spatial=(axes[1], axes[0]) if is_image else tuple(axes),
            color=axes[2] if has_color else None,
            affine=None if is_image else np.eye(4),
            flags=frozenset() if is_image else frozenset({"XFORM_UNKNOWN", "SPACING_UNKNOWN"}),
        )
    )
    return grid, VoxelData("raw", grid.needed, dtype, offset=offset)
