"""Planted faults that the audit must catch, each at the invariant that names it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter, map_coordinates

from medcl.views.audit.view_pipeline import ViewPipeline
from medcl.views.policy import Policy
from medcl.views.sampling.params import ViewParams
from medcl.views.sampling.scan_geometry import ScanGeometry, ScanSource

ParamsChange = Callable[[Policy, ViewParams, ScanGeometry], ViewParams]
PixelChange = Callable[[np.ndarray, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class FaultyPipeline(ViewPipeline):
    """A view pipeline with a planted fault.

    Attributes:
        change_params: Changes the drawn parameters.
        change_pixels: Changes single views (C, *spatial) after they were rendered.
        change_key: Changes what views are rekeyed by.
        drawn_policy: The policy that views are truly drawn from.
        marker_per_scan: a marker in the corner that belongs to the scan.
        unknown_patients: every scan is its own patient to the loss.
        window_in_store: stored scans are clipped to the window.
    """

    change_params: ParamsChange | None = None
    change_pixels: PixelChange | None = None
    change_key: Callable[[ScanGeometry, int], ScanGeometry] | None = None
    drawn_policy: Policy | None = None
    marker_per_scan: bool = False
    unknown_patients: bool = False
    window_in_store: bool = False

    def identity(self, scans: pd.DataFrame) -> np.ndarray:
        """Forget whose scans these are, where that is the fault."""
        distinct = np.repeat(np.arange(len(scans))[:, None], 2, axis=1)
        return distinct if self.unknown_patients else super().identity(scans)

    def draw(self, policy: Policy, geometry: ScanGeometry, seed: int, epoch: int) -> ViewParams:
        """Draw as the fault has it."""
        if self.drawn_policy is not None:
            wide = self.drawn_policy
            policy = policy.model_copy(update={"crop": wide.crop, "motion": wide.motion})
            if policy.noise.probability or policy.intensity != type(policy.intensity)():
                policy = wide
        rekeyed = geometry if self.change_key is None else self.change_key(geometry, epoch)
        params = super().draw(policy, rekeyed, seed, epoch)
        return params if self.change_params is None else self.change_params(policy, params, geometry)

    def render(self, store: ScanSource, params: ViewParams) -> np.ndarray:
        """Render, then spoil each view with randomness of its own key."""
        views = super().render(store, params)
        if self.window_in_store:
            for row, low, width in zip(params.rows, params.low[:, 0], params.width[:, 0], strict=True):
                store.array(int(row)).clip(low, low + width, out=store.array(int(row)), casting="unsafe")
        if self.change_pixels is not None:
            for scan, view in np.ndindex(params.shape):
                rng = np.random.default_rng(int(params.noise_start[scan, view]))
                views[scan, view] = self.change_pixels(views[scan, view], rng)
        if self.marker_per_scan:
            for scan, row in enumerate(params.rows):
                tag = np.random.default_rng(int(row)).random((6, 6))
                views[scan, ..., :6, :6] = tag
        return views


@dataclass(frozen=True)
class Mutation:
    """A fault: its name, the invariant that must catch it, and how it is planted in a policy."""

    name: str
    invariant: str
    grid: str
    plant: Callable[[Policy], ViewPipeline]


def _simclr(policy: Policy, params: ViewParams, geometry: ScanGeometry) -> ViewParams:
    return simclr_crops(params)


def simclr_crops(params: ViewParams) -> ViewParams:
    """Replace where views of images lie by RandomResizedCrop(0.08, 1) with aspect ratios of 3/4 to 4/3."""
    rng = np.random.default_rng(params.noise_start.ravel().astype(np.uint64))
    share = np.sqrt(rng.uniform(0.08, 1, params.shape))[..., None]
    ratio = np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3), params.shape) / 2)
    edges = np.minimum(share * np.stack([ratio, 1 / ratio], axis=-1), 1.0)
    corner = rng.random((*params.shape, 2)) * (1 - edges)
    step = edges * params.count[:, None] / params.size
    matrix = np.zeros_like(params.matrix)
    matrix[..., 0, 0], matrix[..., 1, 1] = step[..., 0], step[..., 1]
    matrix[..., 2] = corner * params.count[:, None] + step / 2 - 0.5
    return replace(params, matrix=matrix)


def _voxel_rotation(policy: Policy, params: ViewParams, geometry: ScanGeometry) -> ViewParams:
    """Rotate by 10 degrees out of plane in voxels, as MONAI's Rotate does."""
    angle = np.radians(10)
    rotation = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    middle = (params.count[:, None] - 1) / 2
    matrix = params.matrix.copy()
    matrix[..., :3] = rotation @ params.matrix[..., :3]
    matrix[..., 3] = (params.matrix[..., 3] - middle) @ rotation.T + middle
    return replace(params, matrix=matrix)


def _flip(axis: int) -> PixelChange:
    return lambda view, rng: np.flip(view, axis).copy() if rng.random() < 0.5 else view


def _elastic(view: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    size = view.shape[1:]
    fields = [gaussian_filter(rng.normal(size=size), 4) for _ in size]
    moved = [at + 4 * field / np.abs(field).max() for at, field in zip(np.indices(size), fields, strict=True)]
    return np.stack([map_coordinates(channel, moved, order=1, mode="nearest") for channel in view])


def _dropout(view: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    hole = view.shape[-1] // 4
    at = [rng.integers(0, n - hole) for n in view.shape[1:]]
    view = view.copy()
    view[(slice(None), *(slice(n, n + hole) for n in at))] = 0.0
    return view


def _shift_pixels(view: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.roll(view, view.shape[-1] // 10, axis=-1)


def _constant_key(geometry: ScanGeometry, epoch: int) -> ScanGeometry:
    """Workers that repeat each other: scans share one stream of random numbers."""
    return replace(geometry, fingerprint=np.arange(len(geometry), dtype=np.uint64) % np.uint64(4))


def _order_key(geometry: ScanGeometry, epoch: int) -> ScanGeometry:
    """Return keys of a generator that advances from scan to scan, so that views depend on earlier scans."""
    return replace(geometry, fingerprint=np.arange(len(geometry), dtype=np.uint64))


def _beyond_policy(policy: Policy, **sections: dict[str, object]) -> FaultyPipeline:
    changed = {name: getattr(policy, name).model_copy(update=new) for name, new in sections.items()}
    return FaultyPipeline(policy, drawn_policy=policy.model_copy(update=changed))


MUTATIONS = (
    Mutation(
        "SimCLR's RandomResizedCrop(0.08, 1)",
        "I9",
        "image",
        lambda p: FaultyPipeline(p, change_params=_simclr),
    ),
    Mutation("SimCLR's crops: lesions", "I10", "image", lambda p: FaultyPipeline(p, change_params=_simclr)),
    Mutation(
        "SimCLR's crops: aspect ratio", "I5", "image", lambda p: FaultyPipeline(p, change_params=_simclr)
    ),
    Mutation("SimCLR's crops: overlap", "I15", "image", lambda p: FaultyPipeline(p, change_params=_simclr)),
    Mutation("RandFlip across", "I3", "image", lambda p: FaultyPipeline(p, change_pixels=_flip(-1))),
    Mutation("RandFlip up and down", "I4", "image", lambda p: FaultyPipeline(p, change_pixels=_flip(-2))),
    Mutation(
        "RandFlip of a volume, axis 0", "I3", "volume", lambda p: FaultyPipeline(p, change_pixels=_flip(1))
    ),
    Mutation(
        "mirrored with its affine",
        "I3",
        "slices",
        lambda p: _beyond_policy(p, motion={"flips": ("left-right",)}),
    ),
    Mutation(
        "HU scaled by up to 15 %",
        "I1",
        "image",
        lambda p: _beyond_policy(p, intensity={"gain": (0.85, 1.15)}),
    ),
    Mutation(
        "HU offset by 50", "I1", "image", lambda p: _beyond_policy(p, intensity={"offset": (-50.0, 50.0)})
    ),
    Mutation(
        "a window baked into the store", "I2", "image", lambda p: FaultyPipeline(p, window_in_store=True)
    ),
    Mutation(
        "pixels as large as the smallest lesion",
        "I19",
        "image",
        lambda p: ViewPipeline(p.model_copy(update={"max_px_mm": p.d_min_mm})),
    ),
    Mutation(
        "inverted intensities", "I1", "image", lambda p: FaultyPipeline(p, change_pixels=lambda v, r: 1 - v)
    ),
    Mutation(
        "solarised",
        "I1",
        "image",
        lambda p: FaultyPipeline(p, change_pixels=lambda v, r: np.where(v > 0.5, 1 - v, v)),
    ),
    Mutation(
        "rotation in voxels", "I5", "volume", lambda p: FaultyPipeline(p, change_params=_voxel_rotation)
    ),
    Mutation(
        "rotation by 30 degrees", "I5", "image", lambda p: _beyond_policy(p, motion={"rotation_deg": 30.0})
    ),
    Mutation("elastic deformation", "I6", "image", lambda p: FaultyPipeline(p, change_pixels=_elastic)),
    Mutation(
        "pixels moved, affine not", "I7", "image", lambda p: FaultyPipeline(p, change_pixels=_shift_pixels)
    ),
    Mutation(
        "pixels moved, mask not", "I8", "image", lambda p: FaultyPipeline(p, change_pixels=_shift_pixels)
    ),
    Mutation(
        "pixels moved, no way back",
        "I20",
        "image",
        lambda p: FaultyPipeline(p, change_pixels=_shift_pixels),
    ),
    Mutation("coarse dropout", "I13", "image", lambda p: FaultyPipeline(p, change_pixels=_dropout)),
    Mutation(
        "blur of a whole lesion",
        "I11",
        "image",
        lambda p: _beyond_policy(p, blur={"sigma_mm": 4 * p.d_min_mm, "probability": 1.0}),
    ),
    Mutation(
        "noise five times native",
        "I11",
        "image",
        lambda p: _beyond_policy(p, noise={"native": 5.0, "probability": 1.0}),
    ),
    Mutation(
        "values beyond the range",
        "I12",
        "image",
        lambda p: FaultyPipeline(p, change_pixels=lambda v, r: v * 1.5),
    ),
    Mutation(
        "a NaN",
        "I12",
        "image",
        lambda p: FaultyPipeline(p, change_pixels=lambda v, r: np.where(v > 0.99, np.nan, v)),
    ),
    Mutation("burned-in text of the scan", "I14", "image", lambda p: FaultyPipeline(p, marker_per_scan=True)),
    Mutation(
        "independent crops",
        "I15",
        "image",
        lambda p: _beyond_policy(p, crop={"area": (0.3, 1.0), "overlap": 0.0, "anchor": 0.0}),
    ),
    Mutation(
        "workers that repeat each other",
        "I17",
        "image",
        lambda p: FaultyPipeline(p, change_key=_constant_key),
    ),
    Mutation(
        "a generator advanced in order", "I16", "image", lambda p: FaultyPipeline(p, change_key=_order_key)
    ),
    Mutation(
        "patients unknown to the loss", "I21", "image", lambda p: FaultyPipeline(p, unknown_patients=True)
    ),
    Mutation(
        "half a pixel off the reference",
        "I18",
        "image",
        lambda p: FaultyPipeline(p, change_pixels=lambda v, r: (v + np.roll(v, 1, -1)) / 2),
    ),
)
"""Every planted fault. The two crops of one mutation are listed at each invariant that must name it."""
