"""Half-lives of the nuclides of PET, by which a stated half-life is checked.

A number that is none of them is in minutes, hours or days, or is no half-life.
Source: the evaluated data of the National Nuclear Data Center (https://www.nndc.bnl.gov/nudat3), rounded.
"""

from __future__ import annotations

import re
from typing import Any

TOLERANCE = 0.02
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
HALF_LIVES: dict[int, tuple[float, ...]] = {
    11: (20.36 * MINUTE,),
    13: (9.965 * MINUTE,),
    15: (122.24,),
    18: (109.77 * MINUTE,),
    22: (2.602 * 365.25 * DAY,),
    38: (7.636 * MINUTE,),
    43: (3.891 * HOUR,),
    44: (3.97 * HOUR, 4.042 * HOUR),
    45: (184.8 * MINUTE,),
    51: (46.2 * MINUTE,),
    52: (5.591 * DAY, 21.1 * MINUTE, 8.275 * HOUR),
    55: (17.53 * HOUR,),
    60: (23.7 * MINUTE,),
    61: (3.336 * HOUR,),
    62: (9.67 * MINUTE, 9.26 * HOUR),
    64: (12.701 * HOUR,),
    66: (9.49 * HOUR,),
    68: (67.71 * MINUTE, 270.93 * DAY),
    72: (26.0 * HOUR,),
    74: (17.77 * DAY,),
    75: (96.7 * MINUTE,),
    76: (16.2 * HOUR,),
    77: (57.04 * HOUR,),
    82: (75.45, 76.38),
    86: (14.74 * HOUR,),
    89: (78.41 * HOUR,),
    90: (64.05 * HOUR, 14.6 * HOUR),
    94: (52.0 * MINUTE,),
    110: (69.1 * MINUTE,),
    120: (81.6 * MINUTE,),
    124: (4.176 * DAY,),
    149: (4.118 * HOUR,),
    152: (17.5 * HOUR,),
}
"""Seconds, by mass number; several for isomers and for elements that share one."""


def is_half_life(seconds: float, drug: Any) -> bool:
    """Return whether a half-life is that of a PET nuclide, and of the stated one where its mass is stated.

    Args:
        seconds: Stated half-life.
        drug: Item of the RadiopharmaceuticalInformationSequence.
    """
    masses = _masses(drug)
    candidates = [number for mass in (masses or HALF_LIVES) for number in HALF_LIVES[mass]]
    return any(abs(seconds - number) <= TOLERANCE * number for number in candidates)


def _masses(drug: Any) -> list[int]:
    """Return the mass numbers in the name of the nuclide, such as `^18^Fluorine`."""
    code: Any = next(iter(drug.get("RadionuclideCodeSequence") or []), {})
    numbers = re.findall(r"(?<!\d)\d{2,3}(?!\d)", str(code.get("CodeMeaning") or ""))
    return [int(number) for number in numbers if int(number) in HALF_LIVES]
