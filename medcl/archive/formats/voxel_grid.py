"""Grid of stored voxels with any order of axes, as the headers of MetaImage, NRRD and MGH describe it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from medcl.archive.arrays import compact, finite, gray_if_equal, image_unit
from medcl.archive.flags import dropped, quarantined
from medcl.archive.formats.scan_info import DataFile, ScanInfo
from medcl.archive.geometry import canonical_affine, is_sheared, spacing, to_canonical
from medcl.archive.limits import MAX_SCAN_BYTES
from medcl.archive.scan import Scan

PLAUSIBLE_MM = (0.005, 20.0)
MAX_FRAMES = 100_000
MAX_AXES = 16


@dataclass(frozen=True)
class VoxelGrid:
    """Shape, data type and geometry of stored voxels.

    Attributes:
        sizes: Length of each axis, the fastest first.
        dtype: Data type with byte order.
        spatial: Numbers of the two or three axes in space.
        color: Number of the axis of red, green and blue (and alpha), or None.
        affine: Index along the spatial axes to RAS+ mm, (4, 4), of a volume; None for an image.
        spacing_mm: Spacing (row, column) of an image, or None when unknown.
        frame_name: `frame` for time, `channel` for anything else.
        flags: Flags of the header.
    """

    sizes: tuple[int, ...]
    dtype: np.dtype[Any]
    spatial: tuple[int, ...]
    affine: np.ndarray | None
    flags: frozenset[str] = frozenset()
    color: int | None = None
    spacing_mm: tuple[float, ...] | None = None
    frame_name: str = "channel"

    @property
    def needed(self) -> int:
        """Bytes of all voxels."""
        return int(np.prod(self.sizes, dtype=object)) * self.dtype.itemsize

    @property
    def frames(self) -> int:
        """Number of scans: the product of the axes that are neither spatial nor of color."""
        return int(np.prod([self.sizes[axis] for axis in self._further()], dtype=object))

    def _further(self) -> list[int]:
        return [axis for axis in range(len(self.sizes)) if axis not in (*self.spatial, self.color)]


def checked(grid: VoxelGrid) -> VoxelGrid:
    """Return a grid with all of its flags.

    Raises:
        Rejected: BAD_HEADER, TOO_LARGE, NOT_AN_IMAGE or AFFINE_DEGENERATE.
    """
    if not 1 <= len(grid.sizes) <= MAX_AXES or min(grid.sizes) < 1:
        raise quarantined("BAD_HEADER")
    if grid.frames > MAX_FRAMES or grid.needed > MAX_SCAN_BYTES:
        raise quarantined("TOO_LARGE")
    if sum(grid.sizes[axis] > 1 for axis in grid.spatial) < 2:
        raise dropped("NOT_AN_IMAGE")
    flags = set(grid.flags) | ({"FRAME_OF_MANY"} if grid.frames > 1 else set())
    if grid.affine is None:
        flags |= {"NO_GEOM"} | (set() if grid.spacing_mm else {"SPACING_UNKNOWN"})
        lengths = np.array(grid.spacing_mm or (1.0, 1.0))
    else:
        _check_affine(grid.affine, flags)
        flags |= {"COLOR_VOLUME"} if grid.color is not None else set()
        flags |= {"SHEARED"} if is_sheared(grid.affine) else set()
        lengths = np.array(spacing(grid.affine))
    if not (np.isfinite(lengths).all() and (lengths > 0).all()):
        raise quarantined("BAD_HEADER", *flags)
    if lengths.min() < PLAUSIBLE_MM[0] or lengths.max() > PLAUSIBLE_MM[1]:
        flags.add("SPACING_IMPLAUSIBLE")
    return VoxelGrid(**{**grid.__dict__, "flags": frozenset(flags)})


def _check_affine(affine: np.ndarray, flags: set[str]) -> None:
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.isfinite(affine).all() or (lengths == 0).any():
        raise quarantined("AFFINE_DEGENERATE", *flags)
    if abs(np.linalg.det(affine[:3, :3] / lengths)) < 1e-3:
        raise quarantined("AFFINE_DEGENERATE", *flags)


def scan_infos(grid: VoxelGrid, source: str, data: DataFile | None = None) -> list[ScanInfo]:
    """Return a description of each frame of a grid.

    Args:
        grid: The grid.
        source: Name of the format.
        data: The file of the voxels where the header is a file of its own.
    """
    shape = tuple(grid.sizes[axis] for axis in grid.spatial)
    color = (3,) if grid.color is not None else ()
    affine = None
    if grid.affine is None:
        shape = shape[::-1]
    else:
        affine, shape = canonical_affine(grid.affine, shape)
    return [
        ScanInfo(
            part=f"{grid.frame_name}:{number}" if grid.frames > 1 else "",
            source=source,
            kind="image" if affine is None else "volume",
            shape=shape + color,
            spacing_mm=grid.spacing_mm if affine is None else spacing(affine),
            unit=_unit(grid),
            flags=tuple(sorted(grid.flags)),
            affine=None if affine is None else tuple(affine[:3].ravel().tolist()),
            data=data,
        )
        for number in range(grid.frames)
    ]


def frame(grid: VoxelGrid, content: bytes | memoryview, part: str) -> Scan:
    """Return one frame as a scan in canonical axis order.

    Args:
        grid: The grid.
        content: Bytes of all voxels.
        part: `frame:3` or `channel:3` for the fourth frame, empty for the only one.
    """
    stored = np.frombuffer(content, grid.dtype, count=grid.needed // grid.dtype.itemsize)
    stored = stored.reshape(grid.sizes, order="F")
    further = grid._further()
    color = [] if grid.color is None else [grid.color]
    stored = stored.transpose(*reversed(further), *grid.spatial, *color)
    index = np.unravel_index(int(part.partition(":")[2] or 0), stored.shape[: len(further)])
    values, valid, missing = finite(compact(stored[index]))  # float64 may be infinite as float32
    values = values[..., :3] if color else values
    flags = tuple(sorted({*grid.flags, *missing}))
    if grid.affine is None:
        values = np.swapaxes(values, 0, 1)
        array = gray_if_equal(values) if color else np.ascontiguousarray(values)
        mask = None if valid is None else np.ascontiguousarray(valid.T)
        return Scan(array, None, grid.spacing_mm, _unit(grid), "unknown", mask, flags)
    array, affine = to_canonical(values, grid.affine)
    mask = None if valid is None else to_canonical(valid, grid.affine)[0]
    return Scan(array, affine, spacing(affine), _unit(grid), "unknown", mask, flags)


def _unit(grid: VoxelGrid) -> str:
    return image_unit(grid.dtype) if grid.affine is None else "a.u."
