"""Views one by one in compiled code, several threads at once: the fastest on a CPU (extra `fast`)."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from medcl.views.backends import fused_kernels as kernels
from medcl.views.backends import fused_sampling as sampling
from medcl.views.backends.color import change_color
from medcl.views.backends.pipeline import MIDDLE, gaussian_weights
from medcl.views.backends.source import read_source, reduced_matrix, view_shape
from medcl.views.sampling.keyed_random import noise_bank
from medcl.views.sampling.params import ViewParams
from medcl.views.sampling.scan_geometry import ScanSource

_KINDS = {"gaussian": 0, "correlated": 0, "speckle": 1, "poisson": 2, "rician": 3}
_ROOTS = np.linspace(0, 1, 257)
_NONE = np.zeros(0, np.float32)
_NO_FIELD, _NO_NOISE = np.zeros((0, 4), np.float32), np.zeros((0, 0, 0), np.float32)


def render(store: ScanSource, params: ViewParams, threads: int = 1, out: Tensor | None = None) -> Tensor:
    """Return the views (B, V, C, *spatial), float32, normalized as `medcl.views.backends.pipeline` says.

    The result does not depend on `threads`; it is written to `out` where that is given.
    """
    batch = params.shape[0]
    out = torch.empty(view_shape(params)) if out is None else out
    task = _Task(store, params, out.numpy())
    if threads == 1:
        for scan in range(batch):
            task(scan)
    else:
        list(_pool(threads).map(task, range(batch)))
    return out


@lru_cache(maxsize=4)
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(min(threads, os.cpu_count() or 1), thread_name_prefix="views")


class _Task:
    """Makes all views of one scan of a batch; what the batch shares is computed once."""

    def __init__(self, store: ScanSource, params: ViewParams, out: np.ndarray) -> None:
        self.store, self.params, self.out = store, params, out
        self.matrix = reduced_matrix(params)
        factor = params.reduce[:, None, None].astype(float)
        ends = np.stack([np.full(params.count.shape, -0.5 - 1e-6), params.count - 0.5 + 1e-6], axis=-1)
        self.bounds = (ends - (factor - 1) / 2) / factor
        self.length = params.size**params.dims
        width = params.size if params.kind == "correlated" else 0
        self.bank = noise_bank(*params.bank, 2 * self.length, width) if params.noise.any() else None
        self.scale = (params.gain / params.width).astype(np.float32)
        self.shift = ((params.offset - params.low) / params.width).astype(np.float32)
        self.sigma = (params.noise * params.noise_sign).astype(np.float32)
        self.contrast = params.contrast.astype(np.float32)
        self.brightness = (MIDDLE - MIDDLE * params.contrast + params.brightness).astype(np.float32)
        shaded = params.field.reshape(*params.shape, -1)[..., 1:].any()
        self.field = _line_fields(params) if shaded else None
        bent = params.gamma != 1
        self.curves = (_ROOTS ** (2 * params.gamma[..., None])).astype(np.float32) if bent.any() else None
        self.weights = _blurs(params.blur_px)
        self.sample: Callable[..., None] = sampling.sample_2d if params.dims == 2 else sampling.sample_3d

    def __call__(self, scan: int) -> None:
        params = self.params
        slices = params.slices[scan]
        source = read_only(read_source(self.store, params, scan, 0))
        for view in range(params.shape[1]):
            if view and slices[view] != slices[view - 1]:
                source = read_only(read_source(self.store, params, scan, view))
            for channel, plane in enumerate(source):
                image, flat = self.out[scan, view, channel], plane.ravel()
                self.sample(
                    flat,
                    sampling.pairs_of(flat),
                    plane.shape,
                    self.matrix[scan, view],
                    self.bounds[scan],
                    float(params.padding_value[scan]),
                    image,
                )
                self._apply_intensity(image, scan, view)
            self._finish(scan, view)

    def _apply_intensity(self, image: np.ndarray, scan: int, view: int) -> None:
        lines = image.reshape(-1, self.params.size)
        if self.params.blur_px[scan, view]:
            blur(image, self.weights[scan, view])
        kernels.window_shade_noise(
            lines,
            self.scale[scan, view],
            self.shift[scan, view],
            _NO_FIELD if self.field is None else self.field[scan, view],
            _KINDS[self.params.kind],
            self.sigma[scan, view],
            self._noise(scan, view),
        )

    def _noise(self, scan: int, view: int) -> np.ndarray:
        if self.bank is None or not self.sigma[scan, view]:
            return _NO_NOISE
        start = int(self.params.noise_start[scan, view])
        drawn: np.ndarray = self.bank[start : start + 2 * self.length]
        return drawn.reshape(2, -1, self.params.size)

    def _finish(self, scan: int, view: int) -> None:
        image = self.out[scan, view]
        if self.params.channels == 3:
            values = torch.from_numpy(self.params.color[scan, view : view + 1].astype(np.float32))
            image[...] = change_color(torch.from_numpy(image[None]), values, self.params.stain)[0].numpy()
        curve = _NONE if self.curves is None else self.curves[scan, view]
        lines = image.reshape(-1, self.params.size)
        kernels.tone(lines, curve, self.contrast[scan, view], self.brightness[scan, view])


def _blurs(sigma: np.ndarray) -> dict[tuple[int, int], np.ndarray]:
    """Return the weights of each blurred view, trimmed to its own reach."""
    blurred = np.nonzero(sigma)
    if not blurred[0].size:
        return {}
    table = gaussian_weights(sigma[blurred]).astype(np.float32)
    middle, reach = table.shape[1] // 2, np.maximum(np.ceil(4 * sigma[blurred]), 1).astype(int)
    return {
        (int(scan), int(view)): table[n, middle - reach[n] : middle + reach[n] + 1]
        for n, (scan, view) in enumerate(zip(*blurred, strict=True))
    }


def _line_fields(params: ViewParams) -> np.ndarray:
    """Return each line's shading as coefficients along it, (B, V, L, 4)."""
    line = np.linspace(-1, 1, params.size) if params.size > 1 else np.zeros(1)
    powers = line[:, None] ** np.arange(4)
    how = "xi,bvij->bvxj" if params.dims == 2 else "xi,yj,bvijk->bvxyk"
    lines: np.ndarray = np.einsum(how, *[powers] * (params.dims - 1), params.field, optimize=True)
    return np.asarray(lines.reshape(*params.shape, -1, 4), np.float32)


def blur(image: np.ndarray, weights: np.ndarray) -> None:
    """Smooth a view (S, ..., S) in place along each axis."""
    size = image.shape[0]
    kernels.smooth_lines(image.reshape(-1, size), weights, np.empty(size + len(weights), np.float32))
    for axis in range(image.ndim - 1):
        slab = image.reshape(size**axis, size, -1)
        kernels.smooth(slab, weights, np.empty(slab.shape[1:], np.float32))


def read_only(source: np.ndarray) -> np.ndarray:
    """Return a contiguous view that cannot be written: arrays and memory maps share one compiled kernel."""
    view = np.ascontiguousarray(source).view()
    view.flags.writeable = False
    return view
