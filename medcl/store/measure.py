"""Measurements of a stored scan, taken once: fingerprint, tissue, intensity range and noise."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from medcl.intensity import body_mask, tissue_mask

LEAST_MARKED = 64
"""Voxels of the smallest mask that two patients do not share by chance."""

ANCHORS = 64
"""Tissue positions kept per scan; the two views of a pair share one of them."""


@dataclass(frozen=True)
class Measures:
    """Measurements of one scan, in its own unit and array axes.

    Attributes:
        fingerprint: 64 bits of BLAKE2b over shape and pixels, equal for exact copies only.
        lo: 0.5th percentile of the tissue.
        hi: 99.5th percentile of the tissue.
        noise: Standard deviation of the noise, from the median absolute deviation of the finest diagonal
            Haar band (Donoho & Johnstone 1994).
        box: Start and stop of the body along each spatial axis, `(start0, stop0, start1, stop1, ...)`.
        anchors: `ANCHORS` positions on the body, flattened to `(n * spatial axes,)`.
        marked: The same on the label mask; empty without one.
        mask_fingerprint: Fingerprint of the mask, 0 without one that identifies a patient.
    """

    fingerprint: int
    lo: float
    hi: float
    noise: float
    box: tuple[int, ...]
    anchors: tuple[int, ...]
    marked: tuple[int, ...] = ()
    mask_fingerprint: int = 0


def measure(
    array: np.ndarray,
    unit: str,
    spatial: int,
    valid: np.ndarray | None = None,
    mask: np.ndarray | None = None,
) -> Measures:
    """Measure one scan whose first `spatial` axes are space (a trailing axis is color).

    Args:
        array: Its pixels.
        unit: `HU`, `SUV`, `a.u.` or `display`.
        spatial: Number of spatial axes, 2 or 3.
        valid: Boolean mask of measured voxels; all when not given.
        mask: Label mask, 0 is background.
    """
    fingerprint = pixel_fingerprint(array)
    gray = array if array.ndim == spatial else array.mean(axis=-1)
    tissue = tissue_mask(gray, unit, valid)
    values = gray[tissue]
    if values.size > 200_000:
        values = values[:: values.size // 200_000]
    lo, hi = np.percentile(values, [0.5, 99.5])
    body = body_mask(gray, tissue, unit, lo, hi)
    return Measures(
        fingerprint=fingerprint,
        lo=float(lo),
        hi=float(hi),
        noise=noise_sigma(gray, tissue),
        box=_box(body),
        anchors=_anchors(body, fingerprint),
        marked=() if mask is None or not mask.any() else _anchors(mask > 0, fingerprint),
        mask_fingerprint=0 if mask is None else _mask_fingerprint(mask),
    )


def pixel_fingerprint(array: np.ndarray) -> int:
    """Return 64 bits that arrays of equal values share and others do not (BLAKE2b).

    A file in another format may hold the same values as another type, such as float32 for int16.
    """
    array = _narrowed(array)
    digest = hashlib.blake2b(f"{array.dtype.str}{array.shape}".encode(), digest_size=8)
    digest.update(np.ascontiguousarray(array).view(np.uint8).data)
    return int.from_bytes(digest.digest(), "big")


def _narrowed(array: np.ndarray) -> np.ndarray:
    """Return values of uint16 or float32 as int16, or as uint16, where these hold them exactly."""
    if array.dtype not in (np.uint16, np.float32) or not array.size:
        return array
    first = array.reshape(-1)[:4096]
    if array.dtype == np.float32 and not (first == np.rint(first)).all():
        return array
    low, high = float(array.min()), float(array.max())
    for dtype in (np.int16, np.uint16):
        if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
            narrow = array.astype(dtype)
            return narrow if array.dtype.kind == "u" or (narrow == array).all() else array
    return array


def _mask_fingerprint(mask: np.ndarray) -> int:
    """Return the fingerprint of a mask; 0 for a trivial one, which patients may share by chance.

    Trivial is a mask of fewer than `LEAST_MARKED` voxels, and one that fills its bounding box.
    """
    marked = np.count_nonzero(mask)
    if marked < LEAST_MARKED:
        return 0
    bounds = _box(mask > 0)
    sizes = [stop - start for start, stop in zip(bounds[::2], bounds[1::2], strict=True)]
    return 0 if marked == np.prod(sizes) else pixel_fingerprint(mask > 0)


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


def _box(tissue: np.ndarray) -> tuple[int, ...]:
    bounds: list[int] = []
    for axis in range(tissue.ndim):
        occupied = np.flatnonzero(tissue.any(axis=tuple(a for a in range(tissue.ndim) if a != axis)))
        bounds += [int(occupied[0]), int(occupied[-1]) + 1]
    return tuple(bounds)


def _anchors(tissue: np.ndarray, fingerprint: int) -> tuple[int, ...]:
    """Draw tissue positions with the fingerprint as seed, so that they are the same on every machine."""
    inside = np.flatnonzero(tissue)
    drawn = np.random.Generator(np.random.Philox(key=fingerprint)).integers(inside.size, size=ANCHORS)
    positions = np.stack(np.unravel_index(inside[np.sort(drawn)], tissue.shape), axis=1)
    return tuple(int(value) for value in positions.ravel())
