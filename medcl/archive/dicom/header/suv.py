"""Standardized uptake values by body weight, where the tags allow it (QIBA vendor-neutral recipe, 2011).

SUV = activity concentration (Bq/ml) x weight (g) / injected dose (Bq), the dose decayed to the time to which
the scanner corrected the pixels.
"""

from __future__ import annotations

import re
from typing import Any

from medcl.archive.dicom.header.elements import Elements
from medcl.archive.dicom.header.model import Attributes
from medcl.archive.dicom.tags import RADIOPHARMACEUTICAL
from medcl.archive.flags import Rejected

DAY = 86400.0
LEAST_DOSE_BQ = 1e5
"""Smallest plausible injected dose; a smaller number is in MBq, or is no dose."""


def suv_factor(elements: Elements, shared: Attributes) -> float | None:
    """Return the factor from Bq/ml to SUV, or None when a needed tag is missing or implausible."""
    if shared.units == "GML":
        return 1.0 if shared.suv_type in ("", "BW") else None
    corrected = {"ATTN", "DECY"} <= set(shared.corrected)
    if shared.units != "BQML" or not corrected or not shared.weight or shared.weight <= 0:
        return None
    try:
        drug = next(iter(elements.items(RADIOPHARMACEUTICAL)), None)
        dose = None if drug is None else _decayed_dose(drug, shared)
    except (Rejected, TypeError, ValueError):
        return None
    return None if dose is None else shared.weight * 1000.0 / dose


def _decayed_dose(drug: Any, shared: Attributes) -> float | None:
    dose = float(drug.get("RadionuclideTotalDose") or 0)
    half_life = float(drug.get("RadionuclideHalfLife") or 0)
    if dose < LEAST_DOSE_BQ:
        return None
    if shared.decay == "ADMIN":
        return dose
    injected = _seconds(drug.get("RadiopharmaceuticalStartTime"))
    if injected is None:
        injected = _seconds(str(drug.get("RadiopharmaceuticalStartDateTime") or "")[8:])
    scanned, acquired = _seconds(shared.series_time), _seconds(shared.acquisition_time)
    if shared.decay != "START" or half_life <= 0 or injected is None or scanned is None:
        return None
    elapsed = (scanned - injected) % DAY
    # A series that begins after its own images was computed later: its time is not that of the decay.
    later = acquired is not None and (acquired - scanned) % DAY > DAY / 2
    if elapsed > DAY / 2 or later:
        return None
    return float(dose * 2 ** (-elapsed / half_life))


def _seconds(time: Any) -> float | None:
    """Return seconds of the day of a DICOM time, HHMMSS and fractions."""
    match = re.match(r"^(\d\d)(\d\d)(\d\d(?:\.\d+)?)", str(time or ""))
    if match is None:
        return None
    hours, minutes, seconds = match.groups()
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
