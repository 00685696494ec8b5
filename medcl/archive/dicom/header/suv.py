"""Unit of a PET: standardized uptake values by body weight where the tags allow it (QIBA recipe, 2011).

SUV = activity concentration (Bq/ml) x weight (g) / injected dose (Bq), the dose decayed to the time to which
the scanner corrected the pixels. A tag that is missing, implausible or contradicted by another gives no SUV:
the values then keep the unit that they have.
"""

from __future__ import annotations

from typing import Any

from medcl.archive.dicom.header.clock import DAY, Moment
from medcl.archive.dicom.header.elements import Elements
from medcl.archive.dicom.header.nuclides import is_half_life
from medcl.archive.dicom.header.values import decimal, strings, text
from medcl.archive.dicom.tags import (
    BLOCK_9,
    BLOCK_7053,
    GE_SCAN_TIME,
    PHILIPS_ACTIVITY_FACTOR,
    PHILIPS_SUV_FACTOR,
    RADIOPHARMACEUTICAL,
    tag,
)
from medcl.archive.flags import Rejected

UNITS, SUV_TYPE = tag("Units"), tag("SUVType")
CORRECTED, DECAY_CORRECTION = tag("CorrectedImage"), tag("DecayCorrection")
WEIGHT, SIZE = tag("PatientWeight"), tag("PatientSize")
SERIES_TIMES = tag("SeriesDate"), tag("SeriesTime")
ACQUISITION_TIMES = tag("AcquisitionDate"), tag("AcquisitionTime")
ACQUISITION_DATE_TIME = tag("AcquisitionDateTime")
UTC_OFFSET = tag("TimezoneOffsetFromUTC")
IS_DECAY_CORRECTED, DECAY_CORRECTION_TIME = tag("DecayCorrected"), tag("DecayCorrectionDateTime")
IS_ATTENUATION_CORRECTED = tag("AttenuationCorrected")
PET_TAGS = frozenset(
    {UNITS, SUV_TYPE, CORRECTED, DECAY_CORRECTION, WEIGHT, SIZE, *SERIES_TIMES, *ACQUISITION_TIMES}
    | {ACQUISITION_DATE_TIME, UTC_OFFSET, IS_DECAY_CORRECTED, DECAY_CORRECTION_TIME}
    | {IS_ATTENUATION_CORRECTED, BLOCK_9, GE_SCAN_TIME, BLOCK_7053, PHILIPS_SUV_FACTOR}
    | {PHILIPS_ACTIVITY_FACTOR}
)
"""Elements that only this module reads; dates stay here."""

DOSE_BQ = (4e6, 2e10)
"""Injected doses are within these; other numbers are in MBq, kBq or mCi, or are no dose."""

WEIGHT_KG = (2.0, 300.0)
"""Weights of patients are within these; other numbers are in grams, or are placeholders."""

SIZE_M = (0.3, 2.5)
"""Heights of patients are within these; other numbers are ignored."""

BODY_MASS_INDEX = (9.0, 45.0)
"""kg/m2. A weight in pounds gives over 45 from an index of 20.4 on; few patients have as much in truth."""

MOST_HALF_LIVES = 10
"""After more of them there is nothing to scan: one of the dates is not true."""

SHORT_HALF_LIFE = DAY / 10
"""A nuclide of at most this half-life, seconds, is scanned within half a day, so that times need no dates."""

SLACK, CLOCK_SLACK = 1.0, 60.0
"""Seconds by which times may differ through rounding, and by which clocks may."""

Pet = tuple[str, float]


def pet_unit(elements: Elements, units: str = "") -> Pet:
    """Return the unit (`SUV`, `Bq/ml` or `a.u.`) of a PET and the factor from rescaled values to it.

    Args:
        elements: Elements of the header.
        units: Units that the frames of an enhanced object state.
    """
    stated = (_text(elements, UNITS) or units).upper()
    try:
        return _pet_unit(elements, stated)
    except (Rejected, AttributeError, TypeError, ValueError, OverflowError):
        return ("Bq/ml" if stated == "BQML" else "a.u."), 1.0


def _pet_unit(elements: Elements, units: str) -> Pet:
    if units == "GML":
        return ("SUV" if _text(elements, SUV_TYPE) in ("", "BW") else "a.u."), 1.0
    weight, is_plausible = _number(elements, WEIGHT), _is_plausible_weight(elements)
    factor: float | None = 1.0
    if units == "CNTS":
        suv, factor = _philips_factors(elements)
        if suv is not None and (is_plausible or weight is None) and _is_corrected(elements):
            return "SUV", suv
    elif units != "BQML":
        factor = None
    if factor is None:
        return "a.u.", 1.0
    dose = _decayed_dose(elements) if is_plausible and _is_corrected(elements) else None
    return ("Bq/ml", factor) if dose is None or weight is None else ("SUV", factor * weight * 1000.0 / dose)


def _philips_factors(elements: Elements) -> tuple[float | None, float | None]:
    """Return the factors from counts to SUV and to Bq/ml that Philips states (conformance statement)."""
    if not elements.values.get(BLOCK_7053, b"").strip().upper().startswith(b"PHILIPS"):
        return None, None
    suv, becquerels = _number(elements, PHILIPS_SUV_FACTOR), _number(elements, PHILIPS_ACTIVITY_FACTOR)
    return (suv if suv and suv > 0 else None), (becquerels if becquerels and becquerels > 0 else None)


def _is_corrected(elements: Elements) -> bool:
    """Return whether the pixels are corrected for attenuation and decay."""
    enhanced = (_text(elements, IS_ATTENUATION_CORRECTED), _text(elements, IS_DECAY_CORRECTED))
    corrections = strings(elements.values.get(CORRECTED, b""))
    return {"ATTN", "DECY"} <= set(corrections) or enhanced == ("YES", "YES")


def _is_plausible_weight(elements: Elements) -> bool:
    weight, size = _number(elements, WEIGHT), _number(elements, SIZE)
    if weight is None or not WEIGHT_KG[0] <= weight <= WEIGHT_KG[1]:
        return False
    if size is None or not SIZE_M[0] <= size <= SIZE_M[1]:
        return True
    return BODY_MASS_INDEX[0] <= weight / size**2 <= BODY_MASS_INDEX[1]


def _decayed_dose(elements: Elements) -> float | None:
    """Return the dose in Bq at the time to which the pixels are corrected."""
    drugs = elements.items(RADIOPHARMACEUTICAL)
    if len(drugs) != 1:  # the pixels do not say how much of them is of which
        return None
    dose = float(drugs[0].get("RadionuclideTotalDose") or 0)
    if not DOSE_BQ[0] <= dose <= DOSE_BQ[1]:
        return None
    if _text(elements, DECAY_CORRECTION) == "ADMIN":
        return dose
    half_life = float(drugs[0].get("RadionuclideHalfLife") or 0)
    if not is_half_life(half_life, drugs[0]):
        return None
    elapsed = _elapsed(_injection(elements, drugs[0]), _decay_reference(elements), half_life)
    return None if elapsed is None else float(dose * 2 ** (-elapsed / half_life))


def _elapsed(injection: Moment | None, reference: Moment | None, half_life: float) -> float | None:
    """Return the seconds from injection to a later time, or None where they are not certain."""
    if injection is None or reference is None:
        return None
    elapsed = reference.since(injection)
    if elapsed is None:
        if half_life > SHORT_HALF_LIFE:
            return None
        elapsed = reference.since_within_half_a_day(injection)
    return elapsed if -CLOCK_SLACK <= elapsed <= MOST_HALF_LIVES * half_life else None


def _injection(elements: Elements, drug: Any) -> Moment | None:
    """Return the time of injection; None where its two tags contradict each other."""
    stated = str(drug.get("RadiopharmaceuticalStartDateTime") or "")
    time = Moment.of(stated[:8], str(drug.get("RadiopharmaceuticalStartTime") or ""))
    date_time = Moment.parsed(stated, _text(elements, UTC_OFFSET))
    if time is None or date_time is None:
        return date_time or time
    return date_time if abs(date_time.since_within_half_a_day(time)) <= CLOCK_SLACK else None


def _decay_reference(elements: Elements) -> Moment | None:
    """Return the time to which the pixels are corrected, or None where that is not certain."""
    if _text(elements, IS_DECAY_CORRECTED) == "YES":
        return _date_time(elements, DECAY_CORRECTION_TIME)
    if _text(elements, DECAY_CORRECTION) != "START":
        return None
    series = Moment.of(*(_text(elements, number) for number in SERIES_TIMES))
    acquisition = Moment.of(*(_text(elements, number) for number in ACQUISITION_TIMES))
    acquisition = acquisition or _date_time(elements, ACQUISITION_DATE_TIME)
    if series is None or acquisition is None:
        return series
    since_start = acquisition.since(series)
    if since_start is None:
        since_start = acquisition.since_within_half_a_day(series)
    if -SLACK <= since_start <= DAY:
        is_dated = series.day is not None or since_start > acquisition.seconds
        return series if is_dated else Moment(acquisition.day, series.seconds)
    # A series that begins after its own images was computed later; GE then still states the scan's start.
    if elements.values.get(BLOCK_9, b"").strip() == b"GEMS_PETD_01":
        return _date_time(elements, GE_SCAN_TIME)
    return None


def _date_time(elements: Elements, number: int) -> Moment | None:
    return Moment.parsed(_text(elements, number), _text(elements, UTC_OFFSET))


def _text(elements: Elements, number: int) -> str:
    return text(elements.values.get(number, b""))


def _number(elements: Elements, number: int) -> float | None:
    return decimal(elements.values.get(number, b""))
