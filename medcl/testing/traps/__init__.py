"""Files with known faults and the correct result of reading each."""

from __future__ import annotations

from medcl.testing.traps import copies, files, geometry, images, makers, mixtures, nifti, pixels
from medcl.testing.traps.base import Trap


def nifti_traps() -> list[Trap]:
    """Return every trap of NIfTI."""
    return list(nifti.TRAPS.traps)


def dicom_traps() -> list[Trap]:
    """Return every trap of DICOM."""
    parts = (geometry, copies, pixels, makers, mixtures, images, files)
    return [trap for part in parts for trap in part.TRAPS.traps]
