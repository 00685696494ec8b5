"""The reference: each view made by MONAI transforms, one step a transform, in the order of `conventions`.

`RandSafeViews` and its dictionary twin `RandSafeViewsd` put a policy into anybody's MONAI pipeline.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.networks.layers import separable_filtering
from monai.transforms import Compose, MapTransform, RandomizableTransform, SpatialResample, Transform
from numpy.polynomial import polynomial
from torch import Tensor
from torch.nn import functional as F

from medcl.views.affines import view_affines
from medcl.views.colour import change_colour
from medcl.views.conventions import MIDDLE, SPREAD, gaussian_weights
from medcl.views.draw import draw_views
from medcl.views.frames import Frames, ScanSource, read_frames
from medcl.views.keyed import noise_bank
from medcl.views.params import ViewParams
from medcl.views.policy import Policy
from medcl.views.single import SingleScan
from medcl.views.sources import read_source, reduced_matrix


def render(store: ScanSource, params: ViewParams, out: Tensor | None = None) -> Tensor:
    """Return the views (B, V, C, *spatial), float32, normalised as `medcl.views.conventions` says.

    They are written to `out` where that is given.
    """
    batch, views = params.shape
    made = []
    for scan in range(batch):
        for view in range(views):
            source = torch.as_tensor(read_source(store, params, scan, view).astype(np.float32))
            made.append(reference_transforms(params, scan, view)(MetaTensor(source)).as_tensor())
    stacked = torch.stack(made).unflatten(0, (batch, views))
    return stacked if out is None else out.copy_(stacked)


def reference_transforms(params: ViewParams, scan: int, view: int) -> Compose:
    """Return the transforms that make one view from its source (C, *spatial)."""
    one = params.take(np.array([scan])).view(view)
    steps = (Sample, Smooth, Windowed, Shade, AddNoise, Recolour, Tone, Normalise)
    return Compose([step(one) for step in steps])


class _Step(Transform):
    """One step with the parameters of one view, (1, 1)."""

    def __init__(self, params: ViewParams) -> None:
        self.params = params

    def value(self, name: str) -> float:
        """Return a parameter of the view."""
        return float(getattr(self.params, name)[0, 0])


class Sample(_Step):
    """Resample once, linearly, through the view's affine; outside the scan lies `params.outside`."""

    def __call__(self, image: MetaTensor) -> MetaTensor:
        """Map (C, *spatial) to (C, *view)."""
        params, dims = self.params, self.params.dims
        affine = np.eye(dims + 1)
        affine[:dims] = reduced_matrix(params)[0, 0]
        resample = SpatialResample(
            mode="bilinear", padding_mode="border", align_corners=True, dtype=torch.float64
        )
        flat = MetaTensor(image.as_tensor(), affine=torch.eye(dims + 1, dtype=torch.float64))
        sampled = resample(flat, dst_affine=torch.from_numpy(affine), spatial_size=[params.size] * dims)
        view = MetaTensor(sampled.as_tensor().float())
        view[:, torch.from_numpy(self._beyond())] = float(params.outside[0])
        return view

    def _beyond(self) -> np.ndarray:
        params, dims = self.params, self.params.dims
        line = np.arange(params.size)
        pixels = np.stack(np.meshgrid(*[line] * dims, indexing="ij"), axis=-1)
        at = pixels @ params.matrix[0, 0, :, :dims].T + params.matrix[0, 0, :, dims]
        beyond: np.ndarray = ((at < -0.5 - 1e-6) | (at > params.count[0] - 0.5 + 1e-6)).any(axis=-1)
        return beyond


class Smooth(_Step):
    """Gaussian smoothing; edges go on beyond the view."""

    def __call__(self, image: MetaTensor) -> MetaTensor:
        """Smooth (C, *view)."""
        if not self.value("blur_px"):
            return image
        weights = torch.from_numpy(gaussian_weights(self.params.blur_px[0])[0]).float()
        radius, dims = len(weights) // 2, self.params.dims
        padded = F.pad(image.as_tensor()[None], [radius] * (2 * dims), mode="replicate")
        smooth = separable_filtering(padded, [weights] * dims, mode="zeros")[0]
        return MetaTensor(smooth[(slice(None), *[slice(radius, -radius)] * dims)])


class Windowed(_Step):
    """Gain and offset in the scan's unit, then the window to [0, 1]."""

    def __call__(self, image: MetaTensor) -> MetaTensor:
        """Scale (C, *view)."""
        changed = image * self.value("gain") + self.value("offset")
        return (changed - self.value("low")) / self.value("width")


class Shade(_Step):
    """A smooth field, as receive coils and depth gain make."""

    def __call__(self, image: MetaTensor) -> MetaTensor:
        """Multiply (C, *view) by the field."""
        size, dims = self.params.size, self.params.dims
        line = np.linspace(-1, 1, size) if size > 1 else np.zeros(1)
        evaluate: Any = {2: polynomial.polygrid2d, 3: polynomial.polygrid3d}[dims]
        return image * torch.from_numpy(evaluate(*[line] * dims, self.params.field[0, 0])).float()


class AddNoise(_Step):
    """Noise of the policy's kind, read from the bank."""

    def __call__(self, image: MetaTensor) -> MetaTensor:
        """Add to (C, *view); channels share their noise."""
        if not self.value("noise"):
            return image
        first = self._draw(0, image)
        if self.params.kind == "speckle":
            return image * (1 + first)
        if self.params.kind == "poisson":
            return image + first * image.clamp(min=0).sqrt()
        if self.params.kind == "rician":
            length = int(np.prod(image.shape[1:]))
            return torch.sqrt((image + first) ** 2 + self._draw(length, image) ** 2)
        return image + first

    def _draw(self, skip: int, image: MetaTensor) -> Tensor:
        length = int(np.prod(image.shape[1:]))
        width = self.params.size if self.params.kind == "correlated" else 0
        start = int(self.params.noise_start[0, 0]) + skip
        drawn = noise_bank(*self.params.bank, 2 * length, width)[start : start + length]
        scaled = drawn * self.value("noise") * self.value("noise_sign")
        return torch.from_numpy(scaled).float().reshape(image.shape[1:])


class Recolour(_Step):
    """Clip to the window, then change colour where the policy keeps it."""

    def __call__(self, image: MetaTensor) -> MetaTensor:
        """Clip and recolour (C, *view)."""
        clipped = image.clamp(0, 1)
        if self.params.channels != 3:
            return clipped
        values = torch.from_numpy(self.params.colour[0].astype(np.float32))
        return MetaTensor(change_colour(clipped.as_tensor()[None], values, self.params.stain)[0])


class Tone(_Step):
    """Gamma, then contrast about the middle and brightness."""

    def __call__(self, image: MetaTensor) -> MetaTensor:
        """Change (C, *view) in [0, 1]."""
        curved = image ** self.value("gamma")
        return (curved - MIDDLE) * self.value("contrast") + MIDDLE + self.value("brightness")


class Normalise(_Step):
    """Clip, centre and scale."""

    def __call__(self, image: MetaTensor) -> MetaTensor:
        """Map (C, *view) to [-2, 2]."""
        return (image.clamp(0, 1) - MIDDLE) / SPREAD


_PLACE = (
    "fingerprint",
    "low",
    "high",
    "start",
    "end",
    "fov",
    "whole",
    "slice_box",
    "anchors",
    "anchor_slice",
)
"""The facts of a scan that decide where its views lie."""


class RandSafeViews(RandomizableTransform):
    """Make `count` views of an image that share an anchor: (C, *spatial) MetaTensor in, list of views out.

    Volumes are (1, i, j, k) in RAS orientation (`Orientation("RAS")`) with their affine; pictures (1, row,
    column) or (3, row, column). Each view is a MetaTensor (C, size, size), or with `dims=3` (1, size, size,
    size), whose affine leads to RAS+ millimetres and whose `meta["params"]` repeats it.

    Args:
        policy: the limits.
        size: edge of a view in pixels.
        count: views an image.
        dims: 2 or 3.
        unit: of the image: `HU`, `SUV` or `a.u.`.
        spacing_mm: of pictures; unknown when not given.

    Randomness follows MONAI's own state (`set_random_state`, `set_determinism`).
    """

    def __init__(
        self,
        policy: Policy,
        size: int,
        count: int = 2,
        dims: int = 2,
        unit: str = "a.u.",
        spacing_mm: tuple[float, float] | None = None,
    ) -> None:
        super().__init__(prob=1.0)
        self.policy, self.size, self.count, self.dims = policy, size, count, dims
        self.unit, self.spacing_mm = unit, spacing_mm
        self._seed = 0

    def randomize(self, data: Any = None) -> None:
        """Draw the key of the next views."""
        super().randomize(None)
        self._seed = int(self.R.randint(0, 2**31 - 1))

    def __call__(self, image: Tensor) -> list[MetaTensor]:
        """Return the views of `image`."""
        self.randomize()
        scan = self.scan(image)
        return self.show(scan, read_frames(scan, [0], self.dims))

    def scan(self, image: Tensor) -> SingleScan:
        """Return `image` with what is measured of it."""
        return SingleScan.of(image, self.unit, self.spacing_mm)

    def show(self, scan: SingleScan, frames: Frames) -> list[MetaTensor]:
        """Return the views that the last `randomize` drew, of a scan with these facts."""
        params = draw_views(self.policy, frames, self.size, self._seed, count=self.count)
        affines = view_affines(scan, params)
        views = render(scan, params)[0]
        return [
            MetaTensor(
                views[n],
                affine=None if affines is None else affines[0, n],
                meta={"params": params.view(n)},
            )
            for n in range(self.count)
        ]


class RandSafeViewsd(MapTransform, RandomizableTransform):
    """Dictionary twin of `RandSafeViews`: views of `image` become `image_0`, `image_1`, ...

    The images of one call are registered (of one grid); their views lie where those of the first key do.
    """

    def __init__(self, keys: Any, *args: Any, allow_missing_keys: bool = False, **kwargs: Any) -> None:
        MapTransform.__init__(self, keys, allow_missing_keys)
        RandomizableTransform.__init__(self, prob=1.0)
        self.views = RandSafeViews(*args, **kwargs)

    def set_random_state(
        self, seed: int | None = None, state: np.random.RandomState | None = None
    ) -> RandSafeViewsd:
        """Pass MONAI's state on."""
        super().set_random_state(seed, state)
        self.views.set_random_state(seed, state)
        return self

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return `data` with the views added."""
        made = dict(data)
        self.views.randomize()
        first: Frames | None = None
        for key in self.key_iterator(made):
            scan = self.views.scan(made[key])
            frames = read_frames(scan, [0], self.views.dims)
            first = first or frames
            place = {name: getattr(first, name) for name in _PLACE}
            for number, view in enumerate(self.views.show(scan, replace(frames, **place))):
                made[f"{key}_{number}"] = view
        return made
