"""Whether views of a given size can show the smallest structure that their policy protects."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from medcl.errors import UsageError
from medcl.views.policy import Policy
from medcl.views.sampling.scan_geometry import ScanGeometry

Sampling = Literal["flag", "tile", "refuse"]


@dataclass(frozen=True)
class Plan:
    """Sampling of the views of scans.

    Attributes:
        geometry: Geometry of the scans, with smaller fields of view where they are tiled.
        pixel_mm: Coarsest pixel of a view of each scan (n,); NaN where the spacing is unknown.
        flags: `SPACING_UNKNOWN`, `COARSE` or `TILED`, where any scan has them.
    """

    geometry: ScanGeometry
    pixel_mm: np.ndarray
    flags: tuple[str, ...]


def plan(policy: Policy, geometry: ScanGeometry, size: int, sampling: Sampling = "flag") -> Plan:
    """Compare a view's pixels with the policy's `max_px_mm`.

    Args:
        policy: View policy.
        geometry: Geometry of the scans.
        size: Edge of a view in pixels.
        sampling: Where pixels would be too coarse, `flag` only flags it, `tile` shows smaller fields of view
            at the largest allowed pixel, and `refuse` raises an error.

    Raises:
        UsageError: `sampling` is unknown, or it is `refuse` and a scan's field of view needs more pixels.
    """
    if sampling not in ("flag", "tile", "refuse"):
        raise UsageError(f"sampling='{sampling}' is not known; it is 'flag', 'tile' or 'refuse'")
    pixel = np.where(geometry.spaced, geometry.fov / size, np.nan)
    coarse = geometry.spaced & (geometry.fov / size > policy.max_px_mm * (1 + 1e-6))
    flags = [] if geometry.spaced.all() else ["SPACING_UNKNOWN"]
    if coarse.any() and sampling == "refuse":
        needed = int(np.ceil(geometry.fov[coarse].max() / policy.max_px_mm))
        raise UsageError(
            f"views of {size} px are {np.nanmax(pixel):.2g} mm per pixel and would erase structures of "
            f"{policy.d_min_mm:g} mm; use at least {needed} px, or sampling='tile'"
        )
    if coarse.any():
        flags.append("TILED" if sampling == "tile" else "COARSE")
    if coarse.any() and sampling == "tile":
        largest = size * policy.max_px_mm / policy.motion.scale[1]
        geometry = replace(geometry, fov=np.where(coarse, largest, geometry.fov))
        pixel = np.where(coarse, policy.max_px_mm, pixel)
    return Plan(geometry, pixel, tuple(sorted(flags)))
