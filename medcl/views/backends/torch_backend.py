"""Views of a whole batch at once in PyTorch on the CPU: the fallback where numba is not installed."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from medcl.views.backends.color import change_color
from medcl.views.backends.pipeline import MIDDLE, SCALE, gaussian_weights
from medcl.views.backends.source import read_source, reduced_matrix, sticks_out
from medcl.views.sampling.keyed_random import noise_bank
from medcl.views.sampling.params import ViewParams
from medcl.views.sampling.scan_geometry import ScanSource


def render(store: ScanSource, params: ViewParams, out: Tensor | None = None) -> Tensor:
    """Return the views (B, V, C, *spatial), float32, normalized as `medcl.views.backends.pipeline` says.

    They are written to `out` where that is given.
    """
    views = _sample(store, params)
    _blur(views, params)
    _window(views, params)
    _shade(views, params)
    _add_noise(views, params)
    views.clamp_(0, 1)
    _recolor(views, params)
    _tone(views, params)
    views.clamp_(0, 1).sub_(MIDDLE).mul_(1 / SCALE)
    return views if out is None else out.copy_(views)


def _sample(store: ScanSource, params: ViewParams) -> Tensor:
    """Sample all views (bi- or trilinear) and fill what lies outside the scan."""
    batch, views = params.shape
    shared = views if (params.slices == params.slices[:, :1]).all() else 1
    sources = _gather(store, params, shared)
    grid = _grid(reduced_matrix(params), sources.shape[2:], params.size)
    # Views of one source stand below each other in one tall grid, so that it is read without a copy.
    tall = grid.reshape(len(sources), shared * params.size, *grid.shape[2:])
    sampled = F.grid_sample(sources, tall, mode="bilinear", padding_mode="border", align_corners=True)
    if shared == 1:
        sampled = sampled.reshape(batch, views, *sampled.shape[1:])
    else:
        split = sampled.reshape(*sampled.shape[:2], views, params.size, *sampled.shape[3:])
        sampled = split.transpose(1, 2).contiguous()
    _fill_padding(sampled, grid.reshape(batch, views, *grid.shape[1:]), params, sources.shape[2:])
    return sampled


def _gather(store: ScanSource, params: ViewParams, shared: int) -> Tensor:
    """Stack the sources (N, C, *spatial) on a canvas of the largest, whose rest repeats their edges."""
    batch, views = params.shape
    parts = [
        read_source(store, params, scan, view) for scan in range(batch) for view in range(0, views, shared)
    ]
    canvas = np.max([part.shape for part in parts], axis=0)
    stacked = np.empty((len(parts), *canvas), np.float32)
    for into, part in zip(stacked, parts, strict=True):
        short = [(0, int(most - n)) for most, n in zip(canvas, part.shape, strict=True)]
        into[...] = part if part.shape == tuple(canvas) else np.pad(part, short, "edge")
    return torch.from_numpy(stacked)


def _grid(matrix: np.ndarray, shape: torch.Size, size: int) -> Tensor:
    """Return sampling positions (B V, *spatial, D) for `grid_sample` with aligned corners."""
    dims = len(shape)
    scaled = matrix.reshape(-1, dims, dims + 1) * (2 / np.maximum(np.array(shape, float) - 1, 1))[:, None]
    scaled[..., dims] -= 1
    affine = torch.from_numpy(scaled.astype(np.float32))
    line = torch.arange(size, dtype=torch.float32)
    grid = torch.empty(len(affine), *[size] * dims, dims)
    for source in range(dims):
        at = affine[:, source, dims].reshape(-1, *[1] * dims)
        for axis in range(dims - 1):
            at = at + _along(line, affine[:, source, axis], axis, dims)
        # grid_sample names the last axis first.
        last = _along(line, affine[:, source, dims - 1], dims - 1, dims)
        torch.add(at, last, out=grid[..., dims - 1 - source])
    return grid


def _along(line: Tensor, step: Tensor, axis: int, dims: int) -> Tensor:
    return (step[:, None] * line).reshape(-1, *[len(line) if n == axis else 1 for n in range(dims)])


def _fill_padding(views: Tensor, grid: Tensor, params: ViewParams, shape: torch.Size) -> None:
    """Set pixels more than half a voxel beyond the scan to the padding value."""
    outside = np.nonzero(sticks_out(params))
    if not outside[0].size:
        return
    where = tuple(torch.from_numpy(index) for index in outside)
    # The scan's ends as the grid counts them: in averaged voxels, scaled to the canvas, last axis first.
    factor = params.reduce[outside[0], None]
    ends = np.stack([np.full_like(params.count, -0.5, float), params.count - 0.5])[:, outside[0]]
    scaled = (ends - (factor - 1) / 2) / factor * (2 / np.maximum(np.array(shape, float) - 1, 1)) - 1
    low, high = torch.from_numpy(scaled[..., ::-1].astype(np.float32))
    per_view = (-1, *[1] * params.dims, params.dims)
    points = grid[where]
    beyond = ((points < low.reshape(per_view) - 1e-6) | (points > high.reshape(per_view) + 1e-6)).any(-1)
    fill = torch.from_numpy(params.padding_value[outside[0]].astype(np.float32))
    views[where] = torch.where(beyond.unsqueeze(1), _each(fill, views.ndim - 1), views[where])


def _blur(views: Tensor, params: ViewParams) -> None:
    """Smooth the blurred views, one axis after the other, as weighted sums of shifted copies."""
    blurred = np.nonzero(params.blur_px)
    if not blurred[0].size:
        return
    where = tuple(torch.from_numpy(index) for index in blurred)
    weights = torch.from_numpy(gaussian_weights(params.blur_px[blurred]).astype(np.float32))
    radius = weights.shape[1] // 2
    smooth = views[where]
    for axis in range(2, smooth.ndim):
        ends = [smooth.narrow(axis, at, 1) for at in (0, params.size - 1)]
        ends = [end.expand(*[radius if n == axis else -1 for n in range(smooth.ndim)]) for end in ends]
        padded = torch.cat([ends[0], smooth, ends[1]], dim=axis)
        smooth = torch.zeros_like(smooth)
        for shift in range(2 * radius + 1):
            smooth += padded.narrow(axis, shift, params.size) * _each(weights[:, shift], smooth.ndim)
    views[where] = smooth


def _window(views: Tensor, params: ViewParams) -> None:
    """Apply gain and offset in the scan's unit, then the window: one multiplication and one addition."""
    scale = params.gain / params.width
    shift = (params.offset - params.low) / params.width
    views.mul_(_per_view(scale, views)).add_(_per_view(shift, views))


def _shade(views: Tensor, params: ViewParams) -> None:
    """Multiply by a polynomial of the output coordinates, each in [-1, 1]."""
    dims = params.dims
    if not params.field.reshape(*params.shape, -1)[..., 1:].any():
        return
    line = torch.linspace(-1, 1, params.size) if params.size > 1 else torch.zeros(1)
    powers = torch.stack([line**n for n in range(4)])
    field = torch.from_numpy(params.field.astype(np.float32))
    letters = "xyz"[:dims]
    into = "".join(f",{letter}{letter.upper()}" for letter in letters)
    shading = torch.einsum(f"bv{letters}{into}->bv{letters.upper()}", field, *[powers] * dims)
    views.mul_(shading.unsqueeze(2))


def _add_noise(views: Tensor, params: ViewParams) -> None:
    noisy = np.nonzero(params.noise)
    if not noisy[0].size:
        return
    length = int(np.prod(views.shape[3:]))  # channels share their noise
    width = params.size if params.kind == "correlated" else 0
    bank = torch.from_numpy(np.require(noise_bank(*params.bank, 2 * length, width), requirements="W"))
    where = tuple(torch.from_numpy(index) for index in noisy)
    starts = torch.from_numpy(params.noise_start[noisy])
    sigma = _each(
        torch.from_numpy((params.noise * params.noise_sign)[noisy].astype(np.float32)), views.ndim - 1
    )

    def draw(skip: int) -> Tensor:
        rows = bank.unfold(0, length, 1)[starts + skip]
        return rows.reshape(-1, 1, *views.shape[3:]) * sigma

    clean = views[where]
    if params.kind == "speckle":
        clean = clean * (1 + draw(0))
    elif params.kind == "poisson":
        clean = clean + draw(0) * clean.clamp(min=0).sqrt()
    elif params.kind == "rician":
        clean = ((clean + draw(0)).square_() + draw(length).square_()).sqrt_()
    else:
        clean = clean + draw(0)
    views[where] = clean


def _recolor(views: Tensor, params: ViewParams) -> None:
    if params.channels == 3:
        values = torch.from_numpy(params.color.reshape(-1, 6).astype(np.float32))
        views.copy_(change_color(views.flatten(0, 1), values, params.stain).view_as(views))


def _tone(views: Tensor, params: ViewParams) -> None:
    """Apply gamma, then contrast about the middle and brightness, to views in [0, 1]."""
    if (params.gamma != 1).any():
        # Faster than pow on vector units; log 0 = -inf comes back as 0.
        views.log_().mul_(_per_view(params.gamma, views)).exp_()
    if (params.contrast != 1).any() or (params.brightness != 0).any():
        shift = MIDDLE - MIDDLE * params.contrast + params.brightness
        views.mul_(_per_view(params.contrast, views)).add_(_per_view(shift, views))


def _per_view(values: np.ndarray, views: Tensor) -> Tensor:
    tensor = torch.from_numpy(values.astype(np.float32))
    return tensor.reshape(*tensor.shape, *[1] * (views.ndim - 2))


def _each(values: Tensor, ndim: int) -> Tensor:
    return values.reshape(-1, *[1] * (ndim - 1))
