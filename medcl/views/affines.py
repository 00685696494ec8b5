"""From pixels of views to voxels and to RAS+ millimeters."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from medcl.views.sampling.params import ViewParams
from medcl.views.sampling.scan_geometry import ScanSource


def view_affines(store: ScanSource, params: ViewParams) -> Tensor | None:
    """Return the affines (B, V, 4, 4) of views from pixel to RAS+ millimeters; None without volumes.

    The third column of a 2-D view is one step to the next slice.
    """
    batch, views = params.shape
    affines = np.zeros((batch, views, 4, 4))
    for scan, row in enumerate(params.rows):
        to_world = store.affine(int(row))
        if to_world is None:
            return None
        affines[scan] = to_world @ voxel_affines(params, scan)
    return torch.from_numpy(affines)


def voxel_affines(params: ViewParams, scan: int) -> np.ndarray:
    """Return the affines (V, 4, 4) of one scan's views from pixel to voxel."""
    matrix, axis = params.matrix[scan], int(params.slice_axis[scan])
    full = np.zeros((len(matrix), 4, 4))
    full[:, 3, 3] = 1
    if axis < 0:
        full[:, :3] = matrix
        return full
    inside = [n for n in range(3) if n != axis]
    full[:, inside, :2] = matrix[..., :2]
    full[:, inside, 3] = matrix[..., 2]
    full[:, axis, 2] = 1
    full[:, axis, 3] = params.slices[scan]
    return full
