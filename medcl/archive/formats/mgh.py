"""MGH and MGZ volumes of FreeSurfer, whose header states directions, spacing and the center in RAS.

Source: https://surfer.nmr.mgh.harvard.edu/fswiki/FsTutorial/MghFormat.
"""

from __future__ import annotations

import struct

import numpy as np

from medcl.archive.flags import dropped, quarantined
from medcl.archive.formats import voxel_data
from medcl.archive.formats.scan_info import ScanInfo
from medcl.archive.formats.voxel_data import VoxelData
from medcl.archive.formats.voxel_grid import VoxelGrid, checked, scan_infos
from medcl.archive.storage.compression import gunzip_head, is_gzip
from medcl.archive.storage.open_file import SourceFile

MAGIC = ((0, b"\0\0\0\1\0\0"),)
"""Version 1, and the upper half of a width below 65,536; big endian as everything in the file."""

DATA_OFFSET = 284
DTYPES = {0: ">u1", 1: ">i4", 3: ">f4", 4: ">i2", 10: ">u2"}
CORONAL = np.array([[-1.0, 0, 0], [0, 0, 1.0], [0, -1.0, 0]])
"""Directions that FreeSurfer takes for a file without any."""


def inspect(file: SourceFile) -> list[ScanInfo]:
    """Check header and length of the voxels, and return a scan for each frame.

    Raises:
        Rejected: The header contradicts itself, or the voxels are cut off.
    """
    grid, data = _header(file)
    voxel_data.check(file, data)
    return scan_infos(grid, "mgh")


def _header(file: SourceFile) -> tuple[VoxelGrid, VoxelData]:
    with file.open() as stream:
        zipped = is_gzip(stream)
        head = gunzip_head(stream, DATA_OFFSET) if zipped else stream.read(DATA_OFFSET)
    if len(head) < DATA_OFFSET:
        raise dropped("UNKNOWN_FORMAT")
    _, *sizes, kind, _, has_geometry = struct.unpack(">7ih", head[:30])
    if kind not in DTYPES or min(sizes) < 1:
        raise dropped("UNKNOWN_FORMAT")  # the first bytes alone are no proof of the format
    affine, flags = _affine(head, sizes, bool(has_geometry))
    dtype = np.dtype(DTYPES[kind])
    grid = checked(VoxelGrid(tuple(sizes), dtype, (0, 1, 2), affine, flags, frame_name="frame"))
    if zipped:
        return grid, VoxelData("gzip", grid.needed, dtype, skip=DATA_OFFSET)
    return grid, VoxelData("raw", grid.needed, dtype, offset=DATA_OFFSET)


def _affine(head: bytes, sizes: list[int], has_geometry: bool) -> tuple[np.ndarray, frozenset[str]]:
    numbers = np.array(struct.unpack(">15f", head[30:90]), dtype=np.float64)
    affine = np.eye(4)
    if not has_geometry:
        affine[:3, :3] = CORONAL
        return affine, frozenset({"XFORM_UNKNOWN", "SPACING_UNKNOWN"})
    if not np.isfinite(numbers).all():
        raise quarantined("AFFINE_DEGENERATE")
    affine[:3, :3] = numbers[3:12].reshape(3, 3).T * numbers[:3]
    affine[:3, 3] = numbers[12:] - affine[:3, :3] @ (np.array(sizes[:3]) / 2)
    return affine, frozenset()


load = voxel_data.grid_loader(_header)
