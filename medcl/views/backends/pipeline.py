"""Parts shared by all backends: the order of their steps, the normalization and the weights of the blur.

Steps: sample, fill with the padding value, blur, gain and offset, window, shading, noise, clip to [0, 1],
color, gamma, contrast and brightness, clip, normalize.
"""

from __future__ import annotations

import numpy as np
from scipy.special import erf

MIDDLE, SCALE = 0.5, 0.25
"""Views leave every backend as `(x - MIDDLE) / SCALE` with x of the window: -2 is black, 2 white."""

LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of red, green and blue in gray (ITU-R BT.601)."""


def gaussian_weights(sigma: np.ndarray) -> np.ndarray:
    """Return the weights (n, 2 r + 1) of Gaussians integrated over pixels, cut at 4 `sigma`, of sum 1.

    r fits the widest; narrower ones are filled with zeros, which leaves their results as they are.
    """
    radius = np.maximum(np.ceil(4 * sigma), 1)
    offset = np.arange(-radius.max(), radius.max() + 1)
    scaled = 1 / (np.sqrt(2) * sigma[:, None])
    weights = erf((offset + 0.5) * scaled) - erf((offset - 0.5) * scaled)
    weights[np.abs(offset) > radius[:, None]] = 0.0
    normalized: np.ndarray = weights / weights.sum(axis=1, keepdims=True)
    return normalized
