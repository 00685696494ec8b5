"""Warnings of scans whose values do not have the unit of their modality."""

from __future__ import annotations

import pandas as pd


def unit_warnings(scans: pd.DataFrame) -> list[str]:
    """Return a warning of CT scans that are not in HU, or nothing.

    Args:
        scans: Columns `modality` and `flags`.
    """
    is_ct = scans["modality"] == "CT"
    uncalibrated = is_ct & scans["flags"].str.split(";").map(lambda flags: "UNCALIBRATED" in flags)
    if not uncalibrated.any():
        return []
    return [
        f"{uncalibrated.sum()} of {is_ct.sum()} CT scans are not in HU by their rescale values, or by their "
        "air and water (UNCALIBRATED); limits in HU are not applied to them"
    ]
