"""Views by MONAI transforms, one per step in the order of `pipeline`: the reference for other backends."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.networks.layers import separable_filtering
from monai.transforms import Compose, SpatialResample, Transform
from numpy.polynomial import polynomial
from torch import Tensor
from torch.nn import functional as F

from medcl.views.backends.color import change_color
from medcl.views.backends.pipeline import MIDDLE, SCALE, gaussian_weights
from medcl.views.backends.source import read_source, reduced_matrix
from medcl.views.sampling.keyed_random import noise_bank
from medcl.views.sampling.params import ViewParams
from medcl.views.sampling.scan_geometry import ScanSource


def render(store: ScanSource, params: ViewParams, out: Tensor | None = None) -> Tensor:
    """Return the views (B, V, C, *spatial), float32, normalized as `medcl.views.backends.pipeline` says.

    They are written to `out` where that is given.
    """
    batch, views = params.shape
    rendered = []
    for scan in range(batch):
        for view in range(views):
            source = torch.as_tensor(read_source(store, params, scan, view).astype(np.float32))
            rendered.append(reference_transforms(params, scan, view)(MetaTensor(source)).as_tensor())
    stacked = torch.stack(rendered)
    stacked = stacked.reshape(batch, views, *stacked.shape[1:])
    return stacked if out is None else out.copy_(stacked)


def reference_transforms(params: ViewParams, scan: int, view: int) -> Compose:
    """Return the transforms that make one view from its source (C, *spatial)."""
    one = params.take(np.array([scan])).view(view)
    steps = (Sample, Smooth, Windowed, Shade, AddNoise, Recolor, Tone, Normalize)
    return Compose([step(one) for step in steps])


class _Step(Transform):  # type: ignore[misc]
    """One step with the parameters of one view, (1, 1)."""

    def __init__(self, params: ViewParams) -> None:
        self.params = params

    def value(self, name: str) -> float:
        """Return a parameter of the view."""
        return float(getattr(self.params, name)[0, 0])


class Sample(_Step):
    """Resample once, linearly, through the view's affine; outside the scan lies `params.padding_value`."""

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
        view[:, torch.from_numpy(self._beyond())] = float(params.padding_value[0])
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


class Recolor(_Step):
    """Clip to the window, then change color where the policy keeps it."""

    def __call__(self, image: MetaTensor) -> MetaTensor:
        """Clip and recolor (C, *view)."""
        clipped = image.clamp(0, 1)
        if self.params.channels != 3:
            return clipped
        values = torch.from_numpy(self.params.color[0].astype(np.float32))
        return MetaTensor(change_color(clipped.as_tensor()[None], values, self.params.stain)[0])


class Tone(_Step):
    """Gamma, then contrast about the middle and brightness."""

    def __call__(self, image: MetaTensor) -> MetaTensor:
        """Change (C, *view) in [0, 1]."""
        curved = image ** self.value("gamma")
        return (curved - MIDDLE) * self.value("contrast") + MIDDLE + self.value("brightness")


class Normalize(_Step):
    """Clip, center and scale."""

    def __call__(self, image: MetaTensor) -> MetaTensor:
        """Map (C, *view) to [-2, 2]."""
        return (image.clamp(0, 1) - MIDDLE) / SCALE
