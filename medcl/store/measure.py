"""What is measured once of every stored scan: identity, tissue, intensity range and noise."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import uniform_filter

AIR_HU = -500.0
"""Below this a CT voxel is air or lung parenchyma's emptiest part; tissue lies above."""

AIR_SHARE = 0.1
"""Of the robust range; elsewhere than in CT, volumes are air where they are darker over a wider place."""

ANCHORS = 64
"""Tissue positions kept a scan; views draw their shared anchors from them."""


@dataclass(frozen=True)
class Measures:
    """Figures of one scan, in its own unit and array axes.

    Attributes:
        fingerprint: 64 bits of BLAKE2b over dtype, shape and pixels: equal for exact copies only.
        lo, hi: 0.5th and 99.5th percentile of the tissue.
        noise: standard deviation of the noise, from the median absolute deviation of the finest diagonal
            Haar band (Donoho & Johnstone 1994).
        box: start and stop of the tissue along each spatial axis, `(start0, stop0, start1, stop1, ...)`.
        anchors: up to `ANCHORS` tissue positions, flattened to `(n * spatial axes,)`.
        marked: the same on labeled tissue; empty without a mask.
    """

    fingerprint: int
    lo: float
    hi: float
    noise: float
    box: tuple[int, ...]
    anchors: tuple[int, ...]
    marked: tuple[int, ...] = ()


def measure(
    array: np.ndarray,
    unit: str,
    spatial: int,
    valid: np.ndarray | None = None,
    mask: np.ndarray | None = None,
) -> Measures:
    """Measure one scan whose first `spatial` axes are space (a trailing axis is color).

    Args:
        array: its pixels.
        unit: `HU`, `SUV` or `a.u.`.
        spatial: 2 or 3.
        valid: measured voxels; all when not given.
        mask: labels, 0 is background.
    """
    fingerprint = pixel_fingerprint(array)
    gray = array if array.ndim == spatial else array.mean(axis=-1)
    tissue = _measured_tissue(gray, unit, valid)
    values = gray[tissue]
    if values.size > 200_000:
        values = values[:: values.size // 200_000]
    lo, hi = np.percentile(values, [0.5, 99.5])
    body = _body(gray, tissue, unit, lo, hi)
    return Measures(
        fingerprint=fingerprint,
        lo=float(lo),
        hi=float(hi),
        noise=noise_sigma(gray, tissue),
        box=_box(body),
        anchors=_anchors(body, fingerprint),
        marked=() if mask is None or not mask.any() else _anchors(mask > 0, fingerprint),
    )


def pixel_fingerprint(array: np.ndarray) -> int:
    """Return 64 bits that equal arrays share and others do not (BLAKE2b)."""
    digest = hashlib.blake2b(f"{array.dtype.str}{array.shape}".encode(), digest_size=8)
    digest.update(np.ascontiguousarray(array).view(np.uint8).data)
    return int.from_bytes(digest.digest(), "big")


def foreground(gray: np.ndarray, unit: str) -> np.ndarray:
    """Return a boolean mask of tissue.

    CT: above `AIR_HU`. Elsewhere: where one value fills the border (a masked or padded background), all
    that differs from it; else all above a tenth of the robust range.
    """
    if unit == "HU":
        return gray > AIR_HU
    border = _border(gray)
    values, counts = np.unique(border, return_counts=True)
    if counts.max() > 0.5 * border.size:
        return gray != values[counts.argmax()]
    lo, hi = np.percentile(gray[tuple(slice(None, None, max(1, n // 128)) for n in gray.shape)], [0.5, 99.5])
    return gray > lo + 0.1 * (hi - lo)


def body_of(
    array: np.ndarray, unit: str, lo: float, hi: float, valid: np.ndarray | None = None
) -> np.ndarray:
    """Return the boolean mask of a gray scan on which its box and anchors lie: tissue without noise of air.

    Args:
        array: its pixels.
        unit, lo, hi: as they were measured.
        valid: measured voxels; all when not given.
    """
    return _body(array, _measured_tissue(array, unit, valid), unit, lo, hi)


def _measured_tissue(gray: np.ndarray, unit: str, valid: np.ndarray | None) -> np.ndarray:
    tissue = foreground(gray, unit)
    if valid is not None:
        tissue &= valid
    return tissue if tissue.any() else np.ones(gray.shape, bool)


def _body(gray: np.ndarray, tissue: np.ndarray, unit: str, lo: float, hi: float) -> np.ndarray:
    if gray.ndim == 2 or unit == "HU":
        return tissue
    return _without_air(gray, tissue, lo + AIR_SHARE * (hi - lo))


def _without_air(gray: np.ndarray, tissue: np.ndarray, least: float) -> np.ndarray:
    """Return `tissue` of a volume without the noise of air round the body, where that differs from zero.

    Means over a sixteenth of each axis tell the air from what is dark inside the body. Where the background
    is as bright as tissue (standardized scans), or nothing would be left, `tissue` stays as it is.
    """
    if np.median(_border(gray)) > least:
        return tissue
    step = tuple(max(1, n // 64) for n in gray.shape)
    coarse = gray[tuple(slice(None, None, n) for n in step)].astype(np.float32)
    dense = uniform_filter(coarse, [max(1, n // 16) for n in coarse.shape]) > least
    for axis, (factor, n) in enumerate(zip(step, gray.shape, strict=True)):
        dense = np.repeat(dense, factor, axis=axis)[(slice(None),) * axis + (slice(0, n),)]
    body: np.ndarray = tissue & dense
    return body if body.any() else tissue


def noise_sigma(gray: np.ndarray, tissue: np.ndarray) -> float:
    """Return the noise's standard deviation over `tissue`, in the unit of `gray`; 0 for too small a scan."""
    if gray.ndim == 3:
        middle = int(np.argmax(tissue.sum(axis=(0, 1))))
        gray, tissue = gray[..., middle], tissue[..., middle]
    rows, columns = (n // 2 * 2 for n in gray.shape)
    if not rows or not columns:
        return 0.0
    quads = gray[:rows, :columns].astype(np.float64).reshape(rows // 2, 2, columns // 2, 2)
    diagonal = (quads[:, 0, :, 0] - quads[:, 0, :, 1] - quads[:, 1, :, 0] + quads[:, 1, :, 1]) / 2
    inside = tissue[:rows, :columns].reshape(rows // 2, 2, columns // 2, 2).all(axis=(1, 3))
    return float(np.median(np.abs(diagonal[inside])) / 0.6745) if inside.any() else 0.0


def _border(gray: np.ndarray) -> np.ndarray:
    """Return the outermost samples of the first two axes."""
    return np.concatenate([np.ravel(edge) for edge in (gray[0], gray[-1], gray[:, 0], gray[:, -1])])


def _box(tissue: np.ndarray) -> tuple[int, ...]:
    bounds: list[int] = []
    for axis in range(tissue.ndim):
        hit = np.flatnonzero(tissue.any(axis=tuple(a for a in range(tissue.ndim) if a != axis)))
        bounds += [int(hit[0]), int(hit[-1]) + 1]
    return tuple(bounds)


def _anchors(tissue: np.ndarray, fingerprint: int) -> tuple[int, ...]:
    """Draw tissue positions with the scan's own fingerprint as seed: the same on every machine."""
    inside = np.flatnonzero(tissue)
    drawn = np.random.Generator(np.random.Philox(key=fingerprint)).integers(inside.size, size=ANCHORS)
    positions = np.stack(np.unravel_index(inside[np.sort(drawn)], tissue.shape), axis=1)
    return tuple(int(value) for value in positions.ravel())
