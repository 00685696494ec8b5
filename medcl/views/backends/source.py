"""Reading what a view samples: a volume, or the slice or image it lies in."""

from __future__ import annotations

import numpy as np

from medcl.views.backends.pipeline import LUMINANCE
from medcl.views.sampling.params import ViewParams
from medcl.views.sampling.scan_geometry import ScanSource


def read_source(store: ScanSource, params: ViewParams, scan: int, view: int) -> np.ndarray:
    """Return what a view samples, (C, *spatial), averaged by `params.reduce`.

    It has the stored type where nothing had to be computed, else float32.

    Args:
        store: The scans.
        params: Parameters of the views.
        scan: Position of the scan in `params`.
        view: Number of the view.
    """
    array = store.array(int(params.rows[scan]), sampled_box(params, scan, view))
    axis = int(params.slice_axis[scan])
    if axis >= 0:
        source = slices_of(array, axis, int(params.slices[scan, view]), params.stack)
    elif params.dims == 3:
        source = array[None]
    else:
        source = _image(array, params.channels)
    factor = int(params.reduce[scan])
    return source if factor == 1 else averaged(source, factor)


def sampled_box(params: ViewParams, scan: int, view: int) -> np.ndarray | None:
    """Return the voxels (3, 2), first and one past the last along each axis, that views of a volume read.

    A 2-D view reads its slices. 3-D views of a scan share one box, which holds all that they sample. None
    stands for the whole scan.
    """
    axis = int(params.slice_axis[scan])
    if axis >= 0:
        box = np.array([[0, np.iinfo(np.int64).max]] * 3)
        half = params.stack // 2
        box[axis] = params.slices[scan, view] + np.array([-half, half + 1])
        return box
    if params.dims == 2 or params.reduce[scan] > 1:
        return None
    corners = np.stack(np.meshgrid(*[[0, params.size - 1]] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    matrix = params.matrix[scan]
    at = corners @ matrix[:, :, :3].swapaxes(1, 2) + matrix[:, None, :, 3]
    return np.stack([np.floor(at.min(axis=(0, 1))) - 1, np.ceil(at.max(axis=(0, 1))) + 2], axis=1).astype(int)


def view_shape(params: ViewParams) -> tuple[int, ...]:
    """Return the shape of a batch of views, (B, V, C, *spatial)."""
    channels = params.channels if params.stack == 1 else params.stack
    return (*params.shape, channels, *[params.size] * params.dims)


def slices_of(array: np.ndarray, axis: int, number: int, stack: int = 1) -> np.ndarray:
    """Return `stack` neighboring slices round `number`, (stack, rows, columns); ends are repeated."""
    half = stack // 2
    wanted = [min(max(number + n, 0), array.shape[axis] - 1) for n in range(-half, half + 1)]
    return np.stack([array[(slice(None),) * axis + (n,)] for n in wanted])


def _image(array: np.ndarray, channels: int) -> np.ndarray:
    """Return an image as (channels, row, column): luminance, or color (gray is repeated)."""
    if array.ndim == 2:
        return array[None] if channels == 1 else np.repeat(array[None], channels, axis=0)
    if channels == 1:
        return (array.astype(np.float32) @ LUMINANCE)[None]
    return np.moveaxis(array, -1, 0)


def averaged(source: np.ndarray, factor: int) -> np.ndarray:
    """Return means over blocks of `factor` samples along every spatial axis; a remainder is dropped."""
    whole = source[(slice(None), *[slice(0, n // factor * factor) for n in source.shape[1:]])]
    blocks = [part for n in whole.shape[1:] for part in (n // factor, factor)]
    axes = tuple(range(2, 2 + 2 * (source.ndim - 1), 2))
    mean: np.ndarray = whole.reshape(source.shape[0], *blocks).mean(axis=axes, dtype=np.float32)
    return mean


def reduced_matrix(params: ViewParams) -> np.ndarray:
    """Return `params.matrix` in voxels of the averaged source."""
    factor = params.reduce[:, None, None, None].astype(float)
    matrix: np.ndarray = params.matrix / factor
    matrix[..., -1] -= (factor[..., 0] - 1) / 2 / factor[..., 0]
    return matrix


def sticks_out(params: ViewParams) -> np.ndarray:
    """Return (B, V) whether any pixel of a view lies more than half a voxel beyond its source."""
    dims = params.dims
    ends = np.array([-0.5, params.size - 0.5])
    corners = np.stack(np.meshgrid(*[ends] * dims, indexing="ij"), axis=-1).reshape(-1, dims)
    at = corners @ np.swapaxes(params.matrix[..., :dims], -1, -2) + params.matrix[..., None, :, dims]
    count = params.count[:, None, None, :]
    return np.asarray(((at < -0.5 - 1e-6) | (at > count - 0.5 + 1e-6)).any(axis=(-2, -1)))
