"""Maps as NIfTI files in the geometry of their scan."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel
import numpy as np

from medcl.archive import Scan, nifti_image
from medcl.files import atomic

LEVELS = 65535
"""Probabilities are saved as 16-bit integers: half the size of float32, and every metric is exact on them."""


def map_path(patient: str, arm: str, budget: int, split: str, scan: str) -> str:
    """Return the path of a map relative to the folder of its study."""
    return f"folds/{patient}/{arm}_{budget}/{split}-{scan}.nii.gz"


def save_map(probability: np.ndarray, affine: np.ndarray, path: Path) -> None:
    """Write probabilities (I, J, K) in [0, 1] as a 16-bit NIfTI file with a scale factor."""
    save_volume(np.rint(probability * LEVELS).astype(np.uint16), affine, path, 1 / LEVELS)


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
    return levels.astype(np.float32) / np.float32(LEVELS)
