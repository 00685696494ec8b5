"""What leaves the archive: one scan with its geometry, calibration and everything that was noticed."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Scan:
    """One scan as measured.

    Attributes:
        array: a volume is (i, j, k) in the axis order closest to right, anterior, superior; a picture
            (projection or ultrasound) is (row, column), color last; a cine is (frame, row, column).
        affine: (4, 4), voxel index to RAS+ millimeters; `None` for a picture.
        spacing_mm: millimeters between samples along each spatial axis of `array`; `None` when unknown.
        unit: `HU`, `SUV`, `Bq/ml`, `a.u.` or `display`.
        modality: DICOM modality code (`CT`, `MR`, `DX`, `US`, ...) or `unknown`.
        valid: boolean mask of voxels that were measured (padding and filled gaps are False), shaped like the
            spatial axes; `None` when every voxel was.
        flags: codes of `medcl.archive.flags`, sorted.
        unwindowed: a picture with VOI_APPLIED before its window, after the modality transform; else `None`.
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
        """True when the three array axes are space."""
        return self.affine is not None and self.array.ndim >= 3
