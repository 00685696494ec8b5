"""Intensities with a meaning, and the masks that follow from them: air, padding, tissue, body.

A tissue mask holds every sample that is not background. A body mask is a tissue mask without the noise of
air round the body, which in MR and PET differs from zero.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import uniform_filter

AIR_HU = -1000.0
"""Air, by the definition of Hounsfield units."""

PADDING_HU = -1024
"""Value outside of the reconstruction: the lowest value of 12 bits with intercept -1024."""

TISSUE_THRESHOLD_HU = -500.0
"""Halfway between air and water: below lie air and aerated lung, above lies tissue."""

AIR_PEAK_HU, WATER_PEAK_HU = (-1100, -850), (-200, 200)
"""Between these, a body scan in HU has its peaks of air and of water and soft tissue."""

FAT_HU = (-150, -30)
"""Between these lies fat in HU."""

AIR_SHARE = 0.1
"""Without calibration, what lies in this lowest share of the robust range over a wider place is air."""


def tissue_mask(gray: np.ndarray, unit: str, valid: np.ndarray | None = None) -> np.ndarray:
    """Return where a scan shows tissue, boolean, like `gray`; everywhere, if that were nowhere.

    CT: above `TISSUE_THRESHOLD_HU`. Elsewhere: where one value fills the border (a masked or padded
    background), all that differs from it; else all above a tenth of the robust range.

    Args:
        gray: Pixels without color.
        unit: `HU`, `SUV` or `a.u.`.
        valid: Boolean mask of measured samples; all when not given.
    """
    tissue = _above_background(gray, unit)
    if valid is not None:
        tissue &= valid
    return tissue if tissue.any() else np.ones(gray.shape, bool)


def body_mask(gray: np.ndarray, tissue: np.ndarray, unit: str, low: float, high: float) -> np.ndarray:
    """Return `tissue` without the noise of air round the body, boolean, like `gray`.

    Args:
        gray: Pixels without color.
        tissue: Its tissue mask.
        unit: `HU`, `SUV` or `a.u.`.
        low: Lower end of the robust range of the tissue.
        high: Its upper end.
    """
    if gray.ndim == 2 or unit == "HU":
        return tissue
    return _without_air(gray, tissue, low + AIR_SHARE * (high - low))


def _above_background(gray: np.ndarray, unit: str) -> np.ndarray:
    if unit == "HU":
        return gray > TISSUE_THRESHOLD_HU
    border = _border(gray)
    values, counts = np.unique(border, return_counts=True)
    if counts.max() > 0.5 * border.size:
        different: np.ndarray = gray != values[counts.argmax()]
        return different
    thinned = gray[tuple(slice(None, None, max(1, n // 128)) for n in gray.shape)]
    low, high = np.percentile(thinned, [0.5, 99.5])
    brighter: np.ndarray = gray > low + 0.1 * (high - low)
    return brighter


def _without_air(gray: np.ndarray, tissue: np.ndarray, threshold: float) -> np.ndarray:
    """Return `tissue` of a volume without samples whose surroundings are darker than `threshold`.

    Means over a sixteenth of each axis separate the air from what is dark inside the body. Where the
    background is as bright as tissue (standardized scans), or nothing would be left, `tissue` is returned.
    """
    if np.median(_border(gray)) > threshold:
        return tissue
    step = tuple(max(1, n // 64) for n in gray.shape)
    coarse = gray[tuple(slice(None, None, n) for n in step)].astype(np.float32)
    dense = uniform_filter(coarse, [max(1, n // 16) for n in coarse.shape]) > threshold
    for axis, (factor, n) in enumerate(zip(step, gray.shape, strict=True)):
        dense = np.repeat(dense, factor, axis=axis)[(slice(None),) * axis + (slice(0, n),)]
    body: np.ndarray = tissue & dense
    return body if body.any() else tissue


def _border(gray: np.ndarray) -> np.ndarray:
    """Return the outermost samples of the first two axes."""
    return np.concatenate([np.ravel(edge) for edge in (gray[0], gray[-1], gray[:, 0], gray[:, -1])])
