"""Where views lie: rigid crops in millimeters that share an anchor, and the one affine of each.

Everything is vectorized over leading axes; D is 2 or 3. A crop is a square (cube) of `edge`, turned by a
rotation matrix about its `center`, in the displayed frame of `medcl.views.sampling.scan_geometry`.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from medcl.views.sampling.scan_geometry import ScanGeometry

PADDING = 0.008
"""Largest share of a rotated 2-D crop that may lie outside the scan."""

OVERLAP_ERROR = 0.02
"""Largest error of `overlap`; crops are drawn to overlap by that much more."""


def rotation_matrices(degrees: np.ndarray) -> np.ndarray:
    """Return rotation matrices (..., D, D) from (..., 1) in-plane or (..., 3) axis angles."""
    angle = np.radians(degrees)
    if degrees.shape[-1] == 1:
        return _plane_rotation(angle[..., 0], 2, 0, 1)
    first = _plane_rotation(angle[..., 0], 3, 1, 2)
    second = _plane_rotation(angle[..., 1], 3, 2, 0)
    rotation: np.ndarray = _plane_rotation(angle[..., 2], 3, 0, 1) @ second @ first
    return rotation


def _plane_rotation(angle: np.ndarray, dims: int, one: int, two: int) -> np.ndarray:
    matrix = np.zeros((*angle.shape, dims, dims))
    matrix[..., range(dims), range(dims)] = 1.0
    matrix[..., one, one] = matrix[..., two, two] = np.cos(angle)
    matrix[..., one, two] = -np.sin(angle)
    matrix[..., two, one] = np.sin(angle)
    return matrix


def reach(rotation: np.ndarray) -> np.ndarray:
    """Return how far from its center a crop of edge 1 must have scan along each axis, (..., D).

    In 2-D the corners may stick out as long as at most `PADDING` of the crop does: each is a right-angled
    triangle of height h and area h^2 / sin(2 angle).
    """
    half: np.ndarray = np.abs(rotation).sum(axis=-1) / 2
    if rotation.shape[-1] == 3:
        return half
    doubled = 2 * np.abs(rotation[..., 0, 0] * rotation[..., 1, 0])
    overhang = np.sqrt(PADDING / 4 * doubled)
    return np.asarray(np.maximum(half - overhang[..., None], 0.5))


def largest_edge(rotation: np.ndarray, length: np.ndarray) -> np.ndarray:
    """Return the largest edge (...,) of a crop with that rotation that the scan can fill."""
    return np.asarray((length / (2 * reach(rotation))).min(axis=-1))


def center_limits(
    geometry: ScanGeometry, edge: np.ndarray, rotation: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the box (B, V, D) of centers that keep crops in the scan, and on the tissue where they fit."""
    needed = edge[..., None] * reach(rotation)
    low, high = geometry.low[:, None], geometry.high[:, None]
    start, end = geometry.start[:, None], geometry.end[:, None]
    middle, center = (low + high) / 2, (start + end) / 2
    bottom = np.minimum(low + needed, middle)
    top = np.maximum(high - needed, middle)
    most = np.maximum(end - needed, center)
    least = np.minimum(start + needed, center)
    return np.clip(bottom, least, most), np.clip(top, least, most)


def slack(edge: np.ndarray, rotation: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Return how far, along any axis, a center may lie from a ball of `radius` that the crop must hold."""
    inner = edge / 2 - np.minimum(radius, 0.49 * edge)
    return np.asarray(inner / np.abs(rotation).sum(axis=-2).max(axis=-1))


def share_anchor(anchor: np.ndarray, low: np.ndarray, high: np.ndarray, margin: np.ndarray) -> np.ndarray:
    """Move anchors (B, D) to the nearest place that all views (B, V, D) can hold with their balls.

    Never empty: each view's limits lie on both sides of the middle of its own center box, and the boxes are
    nested.
    """
    least = (low - margin[..., None]).max(axis=1)
    most = (high + margin[..., None]).min(axis=1)
    return np.asarray(np.clip(anchor, np.minimum(least, most), np.maximum(least, most)))


def place(
    anchor: np.ndarray, low: np.ndarray, high: np.ndarray, margin: np.ndarray, where: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return centers (B, V, D) at fraction `where` of what is allowed, and the allowed interval's ends."""
    least = np.maximum(low, anchor[:, None] - margin[..., None])
    most = np.maximum(np.minimum(high, anchor[:, None] + margin[..., None]), least)
    return least + where * (most - least), least, most


def overlap(center: np.ndarray, edge: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """Return the intersection over union (B,) of the first two crops, on a grid of points in the first."""
    dims = center.shape[-1]
    points = _grid_points(dims)
    relative = np.swapaxes(rotation[:, 1], -1, -2) @ rotation[:, 0]
    offset = np.einsum("bji,bj->bi", rotation[:, 1], center[:, 0] - center[:, 1])
    first, second = edge[:, 0], edge[:, 1]
    inside = np.ones((len(center), len(points)), bool)
    for axis in range(dims):
        along = (relative[:, axis] * first[:, None]) @ points.T + offset[:, axis, None]
        inside &= np.abs(along) <= second[:, None] / 2
    shared = inside.mean(axis=1) * first**dims
    return np.asarray(shared / (first**dims + second**dims - shared))


@lru_cache(maxsize=2)
def _grid_points(dims: int, number: int = 377) -> np.ndarray:
    """Return points (number, D) in [-0.5, 0.5] of Roberts' R sequence, aliasing with no edge."""
    root = {2: 1.32471795724474602596, 3: 1.22074408460575947536}[dims]
    steps = root ** -np.arange(1.0, dims + 1)
    return (0.5 + np.arange(1, number + 1)[:, None] * steps) % 1 - 0.5


def source_matrix(
    geometry: ScanGeometry,
    center: np.ndarray,
    edge: np.ndarray,
    rotation: np.ndarray,
    mirror: np.ndarray,
    size: int,
) -> np.ndarray:
    """Return the affine (B, V, D, D + 1) from output pixel to source voxel index.

    Rows are in the order of the source axes (of the axes of the slice for 2-D views); columns in the order
    of the output axes, then the translation. `mirror` (B, V, D) is -1 along output axes that are flipped.
    """
    dims = geometry.dims
    pixel = edge / size
    linear = rotation * mirror[..., None, :] * pixel[..., None, None]
    start = center + (linear * (0.5 - size / 2)).sum(axis=-1)
    to_sample = np.linalg.inv(geometry.grid)[:, None]
    matrix = np.concatenate([linear, start[..., None]], axis=-1)
    matrix = to_sample @ matrix
    matrix[..., dims] -= 0.5
    sign = geometry.sign[:, None, :]
    matrix *= sign[..., None]
    matrix[..., dims] += np.where(sign < 0, geometry.count[:, None] - 1, 0)
    order = np.argsort(geometry.axes, axis=1)
    return np.take_along_axis(matrix, order[:, None, :, None], axis=2)


def anchor_voxels(geometry: ScanGeometry, anchor: np.ndarray) -> np.ndarray:
    """Return anchors (B, D) of the displayed frame in voxels of the source (of its slice)."""
    sample = np.linalg.solve(geometry.grid, anchor[..., None])[..., 0] - 0.5
    index = np.where(geometry.sign > 0, sample, geometry.count - 1 - sample)
    return np.take_along_axis(index, np.argsort(geometry.axes, axis=1), axis=1)
