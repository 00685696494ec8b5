"""Check of Hounsfield units against the values themselves: air and water are where the unit has them.

A header that states HU may be wrong (an offset that is missing or was applied twice), and formats without a
unit hold CT of any scale. The check samples voxels, changes no value, and decides the unit alone.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from medcl.archive.scan import Scan
from medcl.intensity import AIR_PEAK_HU, FAT_HU, WATER_PEAK_HU

SAMPLES_PER_AXIS = 64
AIR_SHARE, WATER_SHARE = 0.01, 0.1
"""A scan in HU that shows air has at least this share of its voxels near air, of the others near water."""

TISSUE_SHARE, FAT_SHARE = 0.3, 0.05
"""A small field of view inside the body, without air, has these shares near water and tissue, and in fat."""

BELOW_AIR_SHARE = 0.1
"""Noise puts fewer voxels than this below air; one value there, outside of the reconstruction, is padding."""


def is_hounsfield(array: np.ndarray, padding: np.ndarray | None = None, stated: bool = False) -> bool:
    """Return whether the values of a CT are in HU.

    Args:
        array: Values.
        padding: Boolean mask, like `array`, of the voxels that were not measured.
        stated: Whether the file states HU: then a field of view without air may show tissue and fat alone.
    """
    thin = tuple(slice(None, None, -(-size // SAMPLES_PER_AXIS)) for size in array.shape)
    values = array[thin].ravel() if padding is None else array[thin][~padding[thin]]
    values = _without_padding(values)
    if values.size == 0 or _share(values, -np.inf, AIR_PEAK_HU[0]) > BELOW_AIR_SHARE:
        return False
    air, water = _share(values, *AIR_PEAK_HU), _share(values, *WATER_PEAK_HU)
    above_air = _share(values, AIR_PEAK_HU[1], np.inf)
    if air >= AIR_SHARE and water >= WATER_SHARE * above_air > 0:
        return True
    return stated and water >= TISSUE_SHARE and _share(values, *FAT_HU) >= FAT_SHARE


def as_modality(scan: Scan, modality: str) -> Scan:
    """Return a scan of a file that states no unit as one of `modality`.

    CT is in HU where its values show it; elsewhere it keeps its unit and is flagged UNCALIBRATED.
    """
    if modality != "CT":
        return replace(scan, modality=modality)
    padding = None if scan.valid is None or scan.valid.shape != scan.array.shape else ~scan.valid
    if is_hounsfield(scan.array, padding):
        return replace(scan, modality=modality, unit="HU")
    return replace(scan, modality=modality, flags=tuple(sorted({*scan.flags, "UNCALIBRATED"})))


def _without_padding(values: np.ndarray) -> np.ndarray:
    """Return values without the lowest one if it is below air."""
    if values.size == 0 or not values.min() < AIR_PEAK_HU[0]:
        return values
    measured: np.ndarray = values[values != values.min()]
    return measured


def _share(values: np.ndarray, low: float, high: float) -> float:
    return float(np.mean((values > low) & (values < high)))
