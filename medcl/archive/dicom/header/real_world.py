"""Real world value mapping (PS3.3 C.7.6.16.2.11): slope, intercept and unit where no rescale is stated."""

from __future__ import annotations

from typing import Any

UNITS = {"[hnsf'U]": "HU", "Bq/ml": "BQML", "{SUVbw}g/ml": "GML", "g/ml{SUVbw}": "GML"}
"""Codes of units (UCUM), with the terms of RescaleType and Units."""


def real_world_value(items: Any) -> tuple[float, float, str] | None:
    """Return slope, intercept and unit of the only linear mapping, or None; a table of values is not read.

    Args:
        items: Items of the RealWorldValueMappingSequence, or None.
    """
    if not items or len(items) != 1:
        return None
    slope, intercept = items[0].get("RealWorldValueSlope"), items[0].get("RealWorldValueIntercept")
    if slope is None or intercept is None:
        return None
    code: Any = next(iter(items[0].get("MeasurementUnitsCodeSequence") or []), {})
    unit = str(code.get("CodeValue") or "")
    return float(slope), float(intercept), UNITS.get(unit, unit)
