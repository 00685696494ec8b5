"""Private elements that replace empty standard ones: diffusion, GE's complex parts, Philips' scale.

An element counts only behind its maker's name. Sources: the makers' DICOM conformance statements, and
dcm2niix (https://github.com/rordenlab/dcm2niix), which documents them in use.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medcl.archive.dicom.header.values import Vector, decimal, double, doubles, short, singles
from medcl.archive.dicom.tags import (
    BLOCK_19,
    BLOCK_43,
    BLOCK_65,
    BLOCK_2001,
    BLOCK_2005,
    GE_B_VALUE,
    GE_COMPLEX_PART,
    GE_GRADIENT,
    PHILIPS_B_VALUE,
    PHILIPS_GRADIENT,
    PHILIPS_SCALE_SLOPE,
    SIEMENS_B_VALUE,
    SIEMENS_GRADIENT,
    UIH_B_VALUE,
    UIH_GRADIENT,
)

GE_B_OFFSET = 100_000
"""GE adds multiples of it to the b-value of some series."""

PRIVATE = frozenset(
    {BLOCK_19, BLOCK_43, BLOCK_2001, BLOCK_2005, SIEMENS_B_VALUE, SIEMENS_GRADIENT, GE_B_VALUE, *GE_GRADIENT}
    | {PHILIPS_B_VALUE, *PHILIPS_GRADIENT, PHILIPS_SCALE_SLOPE}
    | {GE_COMPLEX_PART, BLOCK_65, UIH_B_VALUE, UIH_GRADIENT}
)
Raw = Mapping[int, bytes | None]


def maker_facts(raw: Raw, little: bool) -> dict[str, Any]:
    """Return `b_value`, `gradient`, `complex_part` and `scale_slope` as far as the maker states them."""
    values: dict[str, Any] = {}
    try:
        if _made_by(raw, BLOCK_19, b"SIEMENS"):
            values["b_value"] = decimal(raw[SIEMENS_B_VALUE] or b"")
            values["gradient"] = doubles(raw[SIEMENS_GRADIENT] or b"", little)
        if _made_by(raw, BLOCK_43, b"GEMS"):
            values |= _ge(raw)
            part = raw[GE_COMPLEX_PART]
            values["complex_part"] = str(short(part, little)) if part else None
        if _made_by(raw, BLOCK_65, b"IMAGE PRIVATE HEADER"):
            values["b_value"] = double(raw[UIH_B_VALUE] or b"", little)
            values["gradient"] = doubles(raw[UIH_GRADIENT] or b"", little)
        if _made_by(raw, BLOCK_2001, b"PHILIPS"):
            values["b_value"] = _single(raw, PHILIPS_B_VALUE, little)
        if _made_by(raw, BLOCK_2005, b"PHILIPS"):
            values["gradient"] = _whole([_single(raw, tag, little) for tag in PHILIPS_GRADIENT])
            values["scale_slope"] = _single(raw, PHILIPS_SCALE_SLOPE, little)
    except ValueError:  # a private element in an unknown form is ignored
        return {}
    return {name: value for name, value in values.items() if value is not None}


def _made_by(raw: Raw, block: int, maker: bytes) -> bool:
    return (raw[block] or b"").strip().upper().startswith(maker)


def _ge(raw: Raw) -> dict[str, Any]:
    """Return GE's b-value; its gradient is in elements that other sequences use for other values."""
    b = decimal(raw[GE_B_VALUE] or b"")
    if b is None:
        return {}
    b %= GE_B_OFFSET
    diffusion = b > 0 and _made_by(raw, BLOCK_19, b"GEMS")
    return {
        "b_value": b,
        "gradient": _whole([decimal(raw[t] or b"") for t in GE_GRADIENT]) if diffusion else None,
    }


def _single(raw: Raw, tag: int, little: bool) -> float | None:
    numbers = singles(raw[tag] or b"", little)
    return numbers[0] if numbers else None


def _whole(parts: list[float | None]) -> Vector | None:
    stated = tuple(part for part in parts if part is not None)
    return stated if len(stated) == len(parts) else None
