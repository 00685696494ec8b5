"""What makers say in elements of their own where the standard's are empty: diffusion, and Philips' scale.

An element counts only behind its maker's name. Sources: the makers' DICOM conformance statements, and
dcm2niix (https://github.com/rordenlab/dcm2niix), which documents them in use.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medcl.archive.dicom.header.values import Vector, decimal, doubles, singles

BLOCK_19, BLOCK_43, BLOCK_2001, BLOCK_2005 = 0x00190010, 0x00430010, 0x20010010, 0x20050010
SIEMENS_B, SIEMENS_GRADIENT = 0x0019100C, 0x0019100E
GE_B, GE_GRADIENT = 0x00431039, (0x001910BB, 0x001910BC, 0x001910BD)
PHILIPS_B, PHILIPS_GRADIENT = 0x20011003, (0x200510B0, 0x200510B1, 0x200510B2)
PHILIPS_SCALE = 0x2005100E
GE_B_OFFSET = 100_000
"""GE adds multiples of it to the b-value of some series."""

PRIVATE = frozenset(
    {BLOCK_19, BLOCK_43, BLOCK_2001, BLOCK_2005, SIEMENS_B, SIEMENS_GRADIENT, GE_B, *GE_GRADIENT}
    | {PHILIPS_B, *PHILIPS_GRADIENT, PHILIPS_SCALE}
)
Raw = Mapping[int, bytes | None]


def maker_facts(raw: Raw, little: bool) -> dict[str, Any]:
    """Return `b_value`, `gradient` (direction) and `scale_slope` as far as the maker states them."""
    facts: dict[str, Any] = {}
    try:
        if _made_by(raw, BLOCK_19, b"SIEMENS"):
            facts["b_value"] = decimal(raw[SIEMENS_B] or b"")
            facts["gradient"] = doubles(raw[SIEMENS_GRADIENT] or b"", little)
        if _made_by(raw, BLOCK_43, b"GEMS"):
            facts |= _ge(raw)
        if _made_by(raw, BLOCK_2001, b"PHILIPS"):
            facts["b_value"] = _single(raw, PHILIPS_B, little)
        if _made_by(raw, BLOCK_2005, b"PHILIPS"):
            facts["gradient"] = _whole([_single(raw, tag, little) for tag in PHILIPS_GRADIENT])
            facts["scale_slope"] = _single(raw, PHILIPS_SCALE, little)
    except ValueError:  # a private element in a form of its own says nothing
        return {}
    return {name: value for name, value in facts.items() if value is not None}


def _made_by(raw: Raw, block: int, maker: bytes) -> bool:
    return (raw[block] or b"").strip().upper().startswith(maker)


def _ge(raw: Raw) -> dict[str, Any]:
    """Return GE's b-value; its gradient stands in elements that other sequences use for anything."""
    b = decimal(raw[GE_B] or b"")
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
    known = tuple(part for part in parts if part is not None)
    return known if len(known) == len(parts) else None
