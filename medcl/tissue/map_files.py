"""Maps as NIfTI files in the geometry of their scan."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel
import numpy as np

from medcl.archive.convert import nifti_image
from medcl.archive.scan import Scan
from medcl.files import atomic

STEPS = 65535
"""Probabilities are kept in so many steps: half the size of float32, and every metric is exact on them."""


def save_map(probability: np.ndarray, affine: np.ndarray, path: Path) -> None:
    """Write probabilities (I, J, K) in [0, 1] as a NIfTI of 16 bits with a scale factor."""
    save_volume(np.rint(probability * STEPS).astype(np.uint16), affine, path, 1 / STEPS)


def save_volume(array: np.ndarray, affine: np.ndarray, path: Path, slope: float = 1.0) -> None:
    """Write a volume (I, J, K) as `.nii.gz`, its values to be multiplied by `slope`."""
    spacing = tuple(float(mm) for mm in np.linalg.norm(affine[:3, :3], axis=0))
    image = nifti_image(Scan(array, affine, spacing, "a.u.", "unknown"))
    image.header.set_slope_inter(slope, 0)
    with atomic(path) as temporary:
        temporary.write_bytes(gzip.compress(image.to_bytes(), compresslevel=2, mtime=0))


def read_map(path: Path) -> np.ndarray:
    """Return the probabilities (I, J, K), float32, of a map that `save_map` wrote."""
    levels = np.asarray(nibabel.load(path).dataobj.get_unscaled())
    return levels.astype(np.float32) / np.float32(STEPS)
