"""One scan as the archive returns it: pixels, geometry, unit and flags."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Scan:
    """One scan as measured.

    Attributes:
        array: A volume is (i, j, k) in the axis order closest to right, anterior, superior; an image
            (projection or ultrasound) is (row, column), color last; a cine is (frame, row, column).
        affine: Voxel index to RAS+ millimeters, (4, 4); `None` for an image or cine.
        spacing_mm: Millimeters between samples along each spatial axis of `array`; `None` when unknown.
        unit: Unit of the values: `HU`, `SUV`, `Bq/ml`, `a.u.` or `display`.
        modality: DICOM modality code (`CT`, `MR`, `DX`, `US`, ...) or `unknown`.
        valid: Boolean mask of measured voxels (False for padding and filled gaps) with the shape of the
            spatial axes; `None` when all were measured.
        flags: Codes of `medcl.archive.flags`, sorted.
        unwindowed: Image flagged VOI_APPLIED before its window, after the modality transform; else `None`.
    """

    array: np.ndarray
    affine: np.ndarray | None
    spacing_mm: tuple[float, ...] | None
    unit: str
    modality: str
    valid: np.ndarray | None = None
    flags: tuple[str, ...] = field(default=())
    unwindowed: np.ndarray | None = None

    @property
    def is_volume(self) -> bool:
        """Whether the first three array axes are spatial."""
        return self.affine is not None and self.array.ndim >= 3
