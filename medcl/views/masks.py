"""Label masks as views see them."""

from __future__ import annotations

import numpy as np

from medcl.views.sampling.params import ViewParams
from medcl.views.sampling.scan_geometry import ScanSource


def view_masks(store: ScanSource, params: ViewParams) -> list[np.ndarray | None]:
    """Return each scan's mask through its views, (V, *spatial) by nearest sample, 0 outside; None without."""
    return [_scan_masks(store, params, scan) for scan in range(params.shape[0])]


def _scan_masks(store: ScanSource, params: ViewParams, scan: int) -> np.ndarray | None:
    mask = store.mask(int(params.rows[scan]))
    if mask is None:
        return None
    views = range(params.shape[1])
    return np.stack(
        [sample_nearest(view_plane(mask, params, scan, view), params, scan, view) for view in views]
    )


def view_plane(array: np.ndarray, params: ViewParams, scan: int, view: int) -> np.ndarray:
    """Return the part of a spatial array that a view lies in: its slice, or all of it."""
    axis = int(params.slice_axis[scan])
    return array if axis < 0 else np.take(array, int(params.slices[scan, view]), axis=axis)


def sample_nearest(plane: np.ndarray, params: ViewParams, scan: int, view: int) -> np.ndarray:
    """Return `plane` at the nearest sample to each of the view's pixels, 0 outside."""
    index = np.rint(pixel_positions(params, scan, view)).astype(int)
    inside = ((index >= 0) & (index < plane.shape)).all(axis=-1)
    index[~inside] = 0
    return np.where(inside, plane[tuple(np.moveaxis(index, -1, 0))], 0)


def pixel_positions(params: ViewParams, scan: int, view: int) -> np.ndarray:
    """Return where each pixel lies in the source (in its slice), (*spatial, D), in voxels."""
    dims = params.dims
    pixels = np.stack(np.meshgrid(*[np.arange(params.size)] * dims, indexing="ij"), axis=-1)
    positions: np.ndarray = (
        pixels @ params.matrix[scan, view, :, :dims].T + params.matrix[scan, view, :, dims]
    )
    return positions
