"""From a policy and a random key to the parameters of views: the only place where views are random."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from medcl.errors import UsageError
from medcl.views.policy import Policy
from medcl.views.sampling import crop_geometry
from medcl.views.sampling.crops import Crops, bag_crops, draw_crops, view_keys, whole_crops
from medcl.views.sampling.intensity import IntensityDraw, draw_intensities, draw_presets, padding_values
from medcl.views.sampling.keyed_random import BANK, combine, scan_keys, uniform
from medcl.views.sampling.params import ViewParams
from medcl.views.sampling.scan_geometry import ScanGeometry

Kind = Literal["pair", "bag", "whole"]

_NOISE_START, _NOISE_SIGN, _FLIP = 40, 41, 44


def draw_views(
    policy: Policy,
    geometry: ScanGeometry,
    size: int,
    seed: int,
    epoch: int = 0,
    draw: Kind = "pair",
    count: int = 2,
    first: int = 0,
    stack: int = 1,
) -> ViewParams:
    """Draw the views of a batch of scans, keyed by (seed, epoch, scan fingerprint, view).

    Args:
        policy: The limits.
        geometry: Geometry of the B scans.
        size: Edge of a view in pixels.
        seed: Random seed.
        epoch: Epoch number, from 0.
        draw: `pair` is `count` random views that share an anchor; `bag` one random view seen through
            `count` slices; `whole` the unaugmented scan through `count` slices.
        count: Views per scan.
        first: number of the first view, so that further views of a scan have keys of their own.
        stack: neighboring slices (odd) that a 2-D view of a volume shows as channels.

    Raises:
        UsageError: A count or size is below 1, or the kind of draw is not known.
    """
    if draw not in ("pair", "bag", "whole"):
        raise UsageError(f"draw='{draw}' is not known; it is 'pair', 'bag' or 'whole'")
    if count < 1 or size < 1:
        raise UsageError(f"count={count}, size={size}: both are at least 1")
    keys = scan_keys(seed, epoch, geometry.fingerprint)
    if draw == "pair":
        crops, copies = draw_crops(policy, geometry, keys, first, count), 1
    elif draw == "bag":
        crops, copies = bag_crops(policy, geometry, keys, count), count
    else:
        crops, copies, policy = whole_crops(geometry, count), count, policy.unaugmented()
    shared = {"size": size, "bank": (seed, epoch), "stack": stack}
    return _compose(policy, geometry, crops, None if draw == "whole" else keys, first, copies, shared)


def _compose(
    policy: Policy,
    geometry: ScanGeometry,
    crops: Crops,
    keys: np.ndarray | None,
    first: int,
    copies: int,
    shared: dict[str, Any],
) -> ViewParams:
    """Draw intensities and compose the affines; `copies` of one view have the same intensities.

    Without keys nothing is drawn: the first preset that fits, and nothing changed.
    """
    size = shared["size"]
    share = np.zeros(len(geometry)) if keys is None else uniform(keys, IntensityDraw.PRESET)
    keys = np.zeros(len(geometry), np.uint64) if keys is None else keys
    numbered = view_keys(keys, first, crops.edge.shape[1] // copies)
    preset = draw_presets(policy, geometry, share)
    reduce = reduction(policy, geometry, size)
    pixel = crops.edge[:, ::copies] / size
    drawn = draw_intensities(policy, geometry, preset, numbered, pixel, reduce)
    intensities: dict[str, Any] = {name: np.repeat(value, copies, axis=1) for name, value in drawn.items()}
    mirror = np.repeat(_mirror(policy, geometry, numbered), copies, axis=1)
    starts = combine(np.repeat(numbered, copies, axis=1), np.arange(crops.edge.shape[1])[None])
    rotation = crop_geometry.rotation_matrices(crops.rotation)
    order = np.argsort(geometry.axes, axis=1)
    return ViewParams(
        rows=geometry.rows,
        kind=policy.noise.kind,
        channels=policy.channels,
        stain=policy.color is not None and policy.color.stained,
        reduce=reduce,
        slice_axis=geometry.slice_axis,
        slices=crops.slices,
        matrix=crop_geometry.source_matrix(geometry, crops.center, crops.edge, rotation, mirror, size),
        count=np.take_along_axis(geometry.count, order, axis=1),
        anchor=crops.anchor,
        center=crops.center,
        edge=crops.edge,
        rotation=crops.rotation,
        overlap=crops.overlap,
        marked=crops.marked,
        mirror=mirror,
        padding_value=padding_values(policy, geometry),
        preset=preset,
        noise_start=(uniform(starts, _NOISE_START) * BANK).astype(np.int64),
        noise_sign=np.where(uniform(starts, _NOISE_SIGN) < 0.5, -1.0, 1.0),
        **intensities,
        **shared,
    )


def reduction(policy: Policy, geometry: ScanGeometry, size: int) -> np.ndarray:
    """Return (B,) the whole factor by which sources are averaged before sampling, so that nothing aliases.

    It never makes a source coarser than the smallest view that is drawn from it.
    """
    crop = policy.crop
    least = float(np.sqrt(crop.area[0])) if geometry.dims == 2 else crop.edge_3d[0]
    coarsest = np.einsum("nii->ni", geometry.grid).max(axis=1)
    factor = np.maximum(1, np.floor(least * geometry.fov / coarsest / size + 1e-6))
    return np.asarray(factor, np.int64)


_SIDES = {"left-right": 0, "anterior-posterior": 1, "superior-inferior": 2}


def _mirror(policy: Policy, geometry: ScanGeometry, keys: np.ndarray) -> np.ndarray:
    """Return (B, V, D) signs; an axis is flipped only where the scan's geometry says which one it is."""
    mirror = np.ones((*keys.shape, geometry.dims))
    for axis in policy.motion.flips:
        flip = uniform(keys, _FLIP + [*_SIDES, "rows", "columns"].index(axis)) < 0.5
        volume = ((geometry.slice_axis >= 0) | (geometry.dims == 3))[:, None]
        if axis in _SIDES:
            shown = geometry.axes == _SIDES[axis]
            known = volume & geometry.sided[:, None]
            mirror *= np.where((flip & known)[..., None] & shown[:, None], -1.0, 1.0)
        elif geometry.dims == 2:
            at = np.arange(2) == ("rows", "columns").index(axis)
            mirror *= np.where((flip & ~volume)[..., None] & at, -1.0, 1.0)
    return mirror
