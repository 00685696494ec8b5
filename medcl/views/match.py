"""Which policy is true of which scans, and what about them is not known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from medcl.config import shipped
from medcl.views.policy import Policy, load_policy
from medcl.views.resolution import plan
from medcl.views.sampling.scan_geometry import ScanGeometry, ScanSource, read_geometry

UNKNOWN = "unknown"

MEANINGS = {
    "COARSE": "pixels are too coarse for the smallest structure to protect: use more pixels, or tiles",
    "LATERALITY_UNKNOWN": "left and right of some scans are not certain: those are not mirrored",
    "MODALITY_OTHER": "some scans are of a modality that the policy is not for",
    "MODALITY_UNKNOWN": "the modality of some scans is not known: they are taken for the policy's",
    "SPACING_UNKNOWN": "the spacing of some scans is not known: no blur, no shift, resolution not checked",
    "TILED": "smaller fields of view are shown, at the coarsest pixel that the policy allows",
    "UNCALIBRATED": "some scans are not in HU (SUV): the limits in HU (SUV) are not applied to them",
}
"""Meaning of every flag of views."""


def policy_for(scans: pd.DataFrame, variant: str | None = None) -> Policy:
    """Return the shipped policy for the modality of the scans.

    It is the strictest one, `unknown`, where the modality is not known, where there are several, or where
    there is no policy for it.

    Raises:
        UsageError: The policy has no such variant.
    """
    modalities = set(scans["modality"].fillna(UNKNOWN)) if "modality" in scans else {UNKNOWN}
    for path in sorted(shipped("views").glob("*.yaml")):
        policy = load_policy(path.stem)
        if modalities <= set(policy.modalities) and UNKNOWN not in modalities:
            return load_policy(path.stem, variant)
    return load_policy(UNKNOWN, variant)


def unmet_assumptions(policy: Policy, geometry: ScanGeometry, scans: pd.DataFrame) -> tuple[str, ...]:
    """Return the flags of what a policy assumes and the scans' metadata does not state; see `MEANINGS`."""
    modality = scans["modality"].fillna(UNKNOWN) if "modality" in scans else pd.Series(UNKNOWN, scans.index)
    unknown = (modality == UNKNOWN).to_numpy()
    affected = {
        "MODALITY_UNKNOWN": unknown,
        "MODALITY_OTHER": ~unknown & ~modality.isin(policy.modalities).to_numpy() & (policy.name != UNKNOWN),
        "LATERALITY_UNKNOWN": ~geometry.sided & bool(policy.motion.flips),
        "UNCALIBRATED": np.zeros(len(geometry), bool)
        if policy.unit == "a.u."
        else geometry.unit != policy.unit,
    }
    return tuple(sorted(flag for flag, where in affected.items() if where.any()))


def flags(policy: Policy, store: ScanSource, rows: Sequence[int] | np.ndarray, size: int) -> dict[str, str]:
    """Return the flags of 2-D views of `size` pixels, each with its meaning."""
    plans = plan(policy, read_geometry(store, rows), size)
    names = (*plans.flags, *unmet_assumptions(policy, plans.geometry, store.scans.iloc[np.asarray(rows)]))
    return {flag: MEANINGS[flag] for flag in names}
