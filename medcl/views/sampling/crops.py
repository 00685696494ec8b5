"""Drawing where views lie: crops that share an anchor and overlap enough, and the slices they show."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from medcl.views.policy import Policy
from medcl.views.sampling import crop_geometry
from medcl.views.sampling.extents import nearest_slices
from medcl.views.sampling.intensity import between
from medcl.views.sampling.keyed_random import combine, uniform
from medcl.views.sampling.scan_geometry import ScanGeometry

ATTEMPTS = 8
"""Draws of a pair's crops before the second takes the place of the first, which overlaps fully."""

_ANCHOR, _SLICE, _MARK, _CROP = 0, 32, 33, 256
_DRAWS = 12


@dataclass(frozen=True)
class Crops:
    """Crops of B scans, V of each; fields as in `ViewParams`."""

    anchor: np.ndarray
    center: np.ndarray
    edge: np.ndarray
    rotation: np.ndarray
    overlap: np.ndarray
    slices: np.ndarray
    marked: np.ndarray

    def repeat(self, slices: np.ndarray) -> Crops:
        """Return the one crop of each scan seen through `slices` (B, K)."""
        copies = slices.shape[1]
        several = {
            name: np.repeat(getattr(self, name), copies, axis=1) for name in ("center", "edge", "rotation")
        }
        return replace(self, slices=slices, **several)


def view_keys(keys: np.ndarray, first: int, count: int) -> np.ndarray:
    """Return keys (B, count) of the views numbered from `first`, from the scans' keys (B,)."""
    return combine(keys[:, None], np.arange(first, first + count)[None] + 1)


def draw_crops(policy: Policy, geometry: ScanGeometry, keys: np.ndarray, first: int, count: int) -> Crops:
    """Draw `count` crops per scan around one anchor; the first two overlap as the policy demands."""
    anchor, anchor_slice, marked = _anchor(policy, geometry, keys)
    geometry = geometry.within(anchor_slice)
    numbered = view_keys(keys, first, count)
    crops = _attempt(policy, geometry, anchor, numbered, 0)
    if count > 1:
        _redraw_overlap(policy, geometry, anchor, numbered, crops)
    slices = _nearby_slices(policy, geometry, anchor_slice, numbered)
    return Crops(slices=slices, marked=marked, **crops)


def _anchor(
    policy: Policy, geometry: ScanGeometry, keys: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return anchors (B, D), their slices (B,), and whether they were drawn from labeled tissue (B,)."""
    index = (uniform(keys, _ANCHOR) * geometry.anchors.shape[1]).astype(int)
    every = np.arange(len(geometry))
    marked = geometry.marked & (uniform(keys, _MARK) < policy.crop.marked)
    anchor = np.where(marked[:, None], geometry.marks[every, index], geometry.anchors[every, index])
    slices = np.where(marked, geometry.mark_slice[every, index], geometry.anchor_slice[every, index])
    return anchor, slices, marked


def whole_crops(geometry: ScanGeometry, count: int) -> Crops:
    """Return the crop that shows all tissue, through `count` evenly spaced slices."""
    middle = (geometry.low + geometry.high) / 2
    half = np.minimum(geometry.whole[:, None], geometry.length) / 2
    one = Crops(
        anchor=middle,
        center=np.clip(middle, half, geometry.length - half)[:, None],
        edge=geometry.whole[:, None],
        rotation=np.zeros((len(geometry), 1, 1 if geometry.dims == 2 else 3)),
        overlap=np.ones(len(geometry)),
        slices=np.zeros((len(geometry), 1), np.int64),
        marked=np.zeros(len(geometry), bool),
    )
    return one.repeat(even_slices(geometry, count, np.full(len(geometry), 0.5)))


def bag_crops(policy: Policy, geometry: ScanGeometry, keys: np.ndarray, count: int) -> Crops:
    """Draw one crop per scan and `count` slices at even distances over the volume, shifted together."""
    one = draw_crops(policy, geometry, keys, 0, 1)
    return one.repeat(even_slices(geometry, count, uniform(keys, _SLICE)))


def even_slices(geometry: ScanGeometry, count: int, jitter: np.ndarray) -> np.ndarray:
    """Return slices (B, count) evenly over the tissue, each at fraction `jitter` (B,) of its step."""
    first, last = geometry.slice_box[:, :1], geometry.slice_box[:, 1:]
    steps = (np.arange(count)[None] + jitter[:, None]) / count
    slices = np.minimum(first + np.floor(steps * (last - first + 1)), last).astype(np.int64)
    return nearest_slices(geometry.extents, slices)


def _nearby_slices(
    policy: Policy, geometry: ScanGeometry, anchor_slice: np.ndarray, keys: np.ndarray
) -> np.ndarray:
    """Return slices within half of the smallest protected structure from the anchor."""
    with np.errstate(divide="ignore"):
        margin = np.where(geometry.slice_mm > 0, policy.d_min_mm / 2 / geometry.slice_mm, 0)
    steps = np.floor(margin * geometry.spaced)[:, None]
    moved = anchor_slice[:, None] + np.floor(uniform(keys, _SLICE) * (2 * steps + 1)) - steps
    near = np.clip(moved, geometry.slice_box[:, :1], geometry.slice_box[:, 1:]).astype(np.int64)
    return nearest_slices(geometry.extents, near)


def _redraw_overlap(
    policy: Policy, geometry: ScanGeometry, anchor: np.ndarray, keys: np.ndarray, crops: dict[str, np.ndarray]
) -> None:
    """Redraw, in place, crops of which the first two overlap too little."""
    demanded = policy.crop.overlap if geometry.dims == 2 else policy.crop.overlap_3d
    least = demanded + crop_geometry.OVERLAP_ERROR
    for attempt in range(1, ATTEMPTS):
        poor = np.flatnonzero(crops["overlap"] < least)
        if not poor.size:
            return
        again = _attempt(policy, geometry.take(poor), anchor[poor], keys[poor], attempt)
        for name, value in again.items():
            crops[name][poor] = value
    poor = np.flatnonzero(crops["overlap"] < least)
    for name in ("edge", "center", "rotation"):
        crops[name][poor, 1] = crops[name][poor, 0]
    crops["overlap"][poor] = 1.0


def _attempt(
    policy: Policy, geometry: ScanGeometry, anchor: np.ndarray, keys: np.ndarray, attempt: int
) -> dict[str, np.ndarray]:
    dims = geometry.dims
    first = _CROP + _DRAWS * attempt
    angles = np.stack(
        [_angle(uniform(keys, first + n), limit) for n, limit in enumerate(_rotation_limits(policy, dims))],
        -1,
    )
    rotation = crop_geometry.rotation_matrices(angles)
    edge = _edges(policy, geometry, rotation, uniform(keys, first + 3), uniform(keys, first + 4))
    margin = crop_geometry.slack(edge, rotation, policy.crop.anchor * geometry.fov[:, None])
    low, high = crop_geometry.center_limits(geometry, edge, rotation)
    anchor = crop_geometry.share_anchor(anchor, low, high, margin)
    where = np.stack([uniform(keys, first + 5 + n) for n in range(dims)], axis=-1)
    center, least, most = crop_geometry.place(anchor, low, high, margin, where)
    if policy.motion.shift_mm:
        shift = np.stack(
            [_angle(uniform(keys, first + 8 + n), policy.motion.shift_mm) for n in range(dims)], -1
        )
        center = np.clip(center + shift * geometry.spaced[:, None, None], least, most)
    shared = crop_geometry.overlap(center, edge, rotation) if keys.shape[1] > 1 else np.ones(len(geometry))
    return {"edge": edge, "center": center, "rotation": angles, "anchor": anchor, "overlap": shared}


def _angle(share: np.ndarray, limit: float) -> np.ndarray:
    return (2 * share - 1) * limit


def _rotation_limits(policy: Policy, dims: int) -> list[float]:
    motion = policy.motion
    return [motion.rotation_deg] if dims == 2 else [motion.out_of_plane_deg] * 2 + [motion.rotation_deg]


def _edges(
    policy: Policy, geometry: ScanGeometry, rotation: np.ndarray, fraction: np.ndarray, zoom: np.ndarray
) -> np.ndarray:
    """Return edges (B, V): within the crop's limits also after scaling, and such that the scan fills them."""
    crop = policy.crop
    if geometry.dims == 2:
        share, least = np.sqrt(between(fraction, crop.area)), np.sqrt(crop.area[0])
    else:
        share, least = between(fraction, crop.edge_3d), crop.edge_3d[0]
    share = np.maximum(share * between(zoom, policy.motion.scale), least)
    most = crop_geometry.largest_edge(rotation, (geometry.end - geometry.start)[:, None])
    return np.asarray(np.minimum(share * geometry.fov[:, None], most))
