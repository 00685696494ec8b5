"""Small NIfTI files for tests of names and folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

SHAPE = (12, 10, 8)


def noise(seed: int, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """Return an image without two equal neighbors, by seed."""
    return np.random.default_rng(seed).integers(1, 4000, shape).astype(np.int16)


def block(*values: int) -> np.ndarray:
    """Return a label map with a block of voxels for each value."""
    labels = np.zeros(SHAPE, np.uint8)
    for number, value in enumerate(values):
        labels[2:9, 2 + 2 * number : 4 + 2 * number, 2:6] = value
    return labels


def write_files(root: Path, files: dict[str, Any]) -> Path:
    """Write arrays as NIfTI (of 1.5 by 2 by 3 mm), dictionaries as JSON and text as it is, by path."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, np.ndarray):
            nib.Nifti1Image(content, np.diag([1.5, 2, 3, 1])).to_filename(path)
        else:
            path.write_text(content if isinstance(content, str) else json.dumps(content))
    return root
