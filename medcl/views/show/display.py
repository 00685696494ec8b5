"""How scans are displayed: slice plane, orientation letters, window presets and gray values.

Volumes are arrays in closest canonical (RAS+) axes. Their slices lie across the axis of coarsest spacing and
are shown as radiologists see them: axial and coronal ones with the patient's right at the left edge, sagittal
ones with the front there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from medcl.store.slices import DISPLAYED_AXES, coarsest_axis
from medcl.views.policy import load_policy, policy_variants

PLANE_NAMES = {0: "sagittal", 1: "coronal", 2: "axial"}
"""Slice axis to the plane's name."""

_SIDES = {0: "RL", 1: "AP", 2: "SI"}
"""Array axis to the patient's sides where it begins and where it ends on the screen."""


@dataclass(frozen=True)
class SlicePlane:
    """The plane in which a volume is displayed.

    Attributes:
        axis: Array axis along which slices are counted.
        letters: The patient's sides at the left, right, top and bottom edge.
        pixel_mm: Spacing of rows and of columns.
    """

    axis: int
    letters: tuple[str, str, str, str]
    pixel_mm: tuple[float, float]


def slice_plane(affine: np.ndarray) -> SlicePlane:
    """Return the plane across the axis of coarsest spacing, axial where spacings are equal.

    Args:
        affine: (4, 4) from voxel to RAS+ millimeters.
    """
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    axis = coarsest_axis(spacing)
    rows, columns = DISPLAYED_AXES[axis]
    return SlicePlane(axis, edge_letters(axis), (float(spacing[rows]), float(spacing[columns])))


def edge_letters(axis: int, mirror: Sequence[int] | np.ndarray = (1, 1)) -> tuple[str, str, str, str]:
    """Return the patient's sides at the left, right, top and bottom edge of a displayed slice.

    Args:
        axis: Array axis along which slices are counted.
        mirror: -1 for rows (columns) that are mirrored after that, else 1.
    """
    (top, bottom), (left, right) = (
        list(_SIDES[source])[:: int(sign)] for source, sign in zip(DISPLAYED_AXES[axis], mirror, strict=True)
    )
    return left, right, top, bottom


def cut_slice(volume: np.ndarray, axis: int, index: int) -> np.ndarray:
    """Return slice `index` along `axis` as displayed: (row, column), or (row, column, 3) in color."""
    return orient_slice(volume[(slice(None),) * axis + (index,)])


def orient_slice(pixels: np.ndarray) -> np.ndarray:
    """Return a slice, whose axes are in the array's order, as displayed."""
    return pixels.swapaxes(0, 1)[::-1, ::-1]


def window_fraction(pixels: np.ndarray, low: float, high: float) -> np.ndarray:
    """Map `low`..`high` to 0..1, float32; what is no number becomes 0."""
    fraction = (pixels.astype(np.float32) - low) / max(high - low, 1e-6)
    clipped: np.ndarray = np.clip(np.nan_to_num(fraction), 0, 1)
    return clipped


def to_gray(pixels: np.ndarray, low: float, high: float) -> np.ndarray:
    """Map `low`..`high` to 0..255, uint8; color of 8 bits stays as it is."""
    if pixels.ndim == 3 and pixels.dtype == np.uint8:
        return pixels
    return (window_fraction(pixels, low, high) * 255 + 0.5).astype(np.uint8)


@cache
def window_presets(policy: str = "ct") -> dict[str, tuple[float, float]]:
    """Return level and width of each window preset of a shipped policy and its variants, by name."""
    policies = [load_policy(policy, variant) for variant in (None, *policy_variants(policy))]
    return {preset.name: (preset.level, preset.width) for one in policies for preset in one.window.presets}
