"""Planted faults that the audit must catch, each at the invariant that names it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter, map_coordinates

from medcl.views.audit.subject import Subject
from medcl.views.policy import Policy
from medcl.views.sampling.params import ViewParams
from medcl.views.sampling.scan_geometry import ScanGeometry, ScanSource

Draw = Callable[[Policy, ViewParams, ScanGeometry], ViewParams]
Pixels = Callable[[np.ndarray, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Mutated(Subject):
    """Views with a fault, held against the policy's promise.

    Attributes:
        drawn: changes what was drawn.
        pixels: changes single views (C, *spatial) after they were rendered.
        key: changes what views are keyed by.
        loose: the policy that views are truly drawn from.
        tagged: a marker in the corner that belongs to the scan.
        strangers: every scan is its own patient to the loss.
        baked: stored scans are clipped to the window.
    """

    drawn: Draw | None = None
    pixels: Pixels | None = None
    key: Callable[[ScanGeometry, int], ScanGeometry] | None = None
    loose: Policy | None = None
    tagged: bool = False
    strangers: bool = False
    baked: bool = False

    def identity(self, scans: pd.DataFrame) -> np.ndarray:
        """Forget whose scans these are, where that is the fault."""
        own = np.repeat(np.arange(len(scans))[:, None], 2, axis=1)
        return own if self.strangers else super().identity(scans)

    def draw(self, policy: Policy, frames: ScanGeometry, seed: int, epoch: int) -> ViewParams:
        """Draw as the fault has it."""
        if self.loose is not None:
            wide = self.loose
            policy = policy.model_copy(update={"crop": wide.crop, "motion": wide.motion})
            if policy.noise.probability or policy.intensity != type(policy.intensity)():
                policy = wide
        keyed = frames if self.key is None else self.key(frames, epoch)
        params = super().draw(policy, keyed, seed, epoch)
        return params if self.drawn is None else self.drawn(policy, params, frames)

    def render(self, store: ScanSource, params: ViewParams) -> np.ndarray:
        """Render, then spoil each view with randomness of its own key."""
        views = super().render(store, params)
        if self.baked:
            for row, low, width in zip(params.rows, params.low[:, 0], params.width[:, 0], strict=True):
                store.array(int(row)).clip(low, low + width, out=store.array(int(row)), casting="unsafe")
        if self.pixels is not None:
            for scan, view in np.ndindex(params.shape):
                rng = np.random.default_rng(int(params.noise_start[scan, view]))
                views[scan, view] = self.pixels(views[scan, view], rng)
        if self.tagged:
            for scan, row in enumerate(params.rows):
                tag = np.random.default_rng(int(row)).random((6, 6))
                views[scan, ..., :6, :6] = tag
        return views


@dataclass(frozen=True)
class Mutation:
    """A fault: its name, the invariant that must catch it, and how it is planted in a policy."""

    name: str
    invariant: str
    world: str
    plant: Callable[[Policy], Subject]


def _simclr(policy: Policy, params: ViewParams, frames: ScanGeometry) -> ViewParams:
    return simclr_crops(params)


def simclr_crops(params: ViewParams) -> ViewParams:
    """Replace where views of pictures lie by RandomResizedCrop(0.08, 1) with aspect ratios of 3/4 to 4/3."""
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


def _voxel_rotation(policy: Policy, params: ViewParams, frames: ScanGeometry) -> ViewParams:
    """Rotate by 10 degrees out of plane in voxels, as MONAI's Rotate does."""
    angle = np.radians(10)
    turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    middle = (params.count[:, None] - 1) / 2
    matrix = params.matrix.copy()
    matrix[..., :3] = turn @ params.matrix[..., :3]
    matrix[..., 3] = (params.matrix[..., 3] - middle) @ turn.T + middle
    return replace(params, matrix=matrix)


def _flip(axis: int) -> Pixels:
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


def _constant_key(frames: ScanGeometry, epoch: int) -> ScanGeometry:
    """Workers that repeat each other: scans share one stream of random numbers."""
    return replace(frames, fingerprint=np.arange(len(frames), dtype=np.uint64) % np.uint64(4))


def _order_key(frames: ScanGeometry, epoch: int) -> ScanGeometry:
    """A generator that is advanced from scan to scan: views depend on who stands before."""
    return replace(frames, fingerprint=np.arange(len(frames), dtype=np.uint64))


def _loose(policy: Policy, **sections: dict[str, object]) -> Mutated:
    changed = {name: getattr(policy, name).model_copy(update=new) for name, new in sections.items()}
    return Mutated(policy, loose=policy.model_copy(update=changed))


MUTATIONS = (
    Mutation("SimCLR's RandomResizedCrop(0.08, 1)", "I9", "picture", lambda p: Mutated(p, drawn=_simclr)),
    Mutation("SimCLR's crops: lesions", "I10", "picture", lambda p: Mutated(p, drawn=_simclr)),
    Mutation("SimCLR's crops: aspect ratio", "I5", "picture", lambda p: Mutated(p, drawn=_simclr)),
    Mutation("SimCLR's crops: overlap", "I15", "picture", lambda p: Mutated(p, drawn=_simclr)),
    Mutation("RandFlip across", "I3", "picture", lambda p: Mutated(p, pixels=_flip(-1))),
    Mutation("RandFlip up and down", "I4", "picture", lambda p: Mutated(p, pixels=_flip(-2))),
    Mutation("RandFlip of a volume, axis 0", "I3", "volume", lambda p: Mutated(p, pixels=_flip(1))),
    Mutation(
        "mirrored with its affine", "I3", "slices", lambda p: _loose(p, motion={"flips": ("left-right",)})
    ),
    Mutation(
        "HU scaled by up to 15 %", "I1", "picture", lambda p: _loose(p, intensity={"gain": (0.85, 1.15)})
    ),
    Mutation("HU offset by 50", "I1", "picture", lambda p: _loose(p, intensity={"offset": (-50.0, 50.0)})),
    Mutation("a window baked into the store", "I2", "picture", lambda p: Mutated(p, baked=True)),
    Mutation(
        "pixels as large as the smallest lesion",
        "I19",
        "picture",
        lambda p: Subject(p.model_copy(update={"max_px_mm": p.d_min_mm})),
    ),
    Mutation("inverted intensities", "I1", "picture", lambda p: Mutated(p, pixels=lambda v, r: 1 - v)),
    Mutation(
        "solarised", "I1", "picture", lambda p: Mutated(p, pixels=lambda v, r: np.where(v > 0.5, 1 - v, v))
    ),
    Mutation("rotation in voxels", "I5", "volume", lambda p: Mutated(p, drawn=_voxel_rotation)),
    Mutation("rotation by 30 degrees", "I5", "picture", lambda p: _loose(p, motion={"rotation_deg": 30.0})),
    Mutation("elastic deformation", "I6", "picture", lambda p: Mutated(p, pixels=_elastic)),
    Mutation("pixels moved, affine not", "I7", "picture", lambda p: Mutated(p, pixels=_shift_pixels)),
    Mutation("pixels moved, mask not", "I8", "picture", lambda p: Mutated(p, pixels=_shift_pixels)),
    Mutation("pixels moved, no way back", "I20", "picture", lambda p: Mutated(p, pixels=_shift_pixels)),
    Mutation("coarse dropout", "I13", "picture", lambda p: Mutated(p, pixels=_dropout)),
    Mutation(
        "blur of a whole lesion",
        "I11",
        "picture",
        lambda p: _loose(p, blur={"sigma_mm": 4 * p.d_min_mm, "probability": 1.0}),
    ),
    Mutation(
        "noise five times native",
        "I11",
        "picture",
        lambda p: _loose(p, noise={"native": 5.0, "probability": 1.0}),
    ),
    Mutation("values beyond the range", "I12", "picture", lambda p: Mutated(p, pixels=lambda v, r: v * 1.5)),
    Mutation(
        "a NaN", "I12", "picture", lambda p: Mutated(p, pixels=lambda v, r: np.where(v > 0.99, np.nan, v))
    ),
    Mutation("burned-in text of the scan", "I14", "picture", lambda p: Mutated(p, tagged=True)),
    Mutation(
        "independent crops",
        "I15",
        "picture",
        lambda p: _loose(p, crop={"area": (0.3, 1.0), "overlap": 0.0, "anchor": 0.0}),
    ),
    Mutation("workers that repeat each other", "I17", "picture", lambda p: Mutated(p, key=_constant_key)),
    Mutation("a generator advanced in order", "I16", "picture", lambda p: Mutated(p, key=_order_key)),
    Mutation("patients unknown to the loss", "I21", "picture", lambda p: Mutated(p, strangers=True)),
    Mutation(
        "half a pixel off the reference",
        "I18",
        "picture",
        lambda p: Mutated(p, pixels=lambda v, r: (v + np.roll(v, 1, -1)) / 2),
    ),
)
"""Every planted fault. The two crops of one mutation are listed at each invariant that must name it."""
