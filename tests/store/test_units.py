"""A store warns of CT that is not in HU."""

from __future__ import annotations

import pandas as pd

from medcl.store.units import unit_warnings


def test_uncalibrated_ct_is_warned_of() -> None:
    scans = pd.DataFrame({"modality": ["CT", "CT", "MR"], "flags": ["GAP;UNCALIBRATED", "HU_LIKELY", ""]})
    (warning,) = unit_warnings(scans)
    assert warning.startswith("1 of 2 CT scans are not in HU")
    assert unit_warnings(scans[1:]) == []
