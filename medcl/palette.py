"""Colors that readers with every common color blindness tell apart (Okabe & Ito 2008)."""

from __future__ import annotations

BLUE = "#0072B2"
VERMILION = "#D55E00"
GREEN = "#009E73"
PURPLE = "#CC79A7"
ORANGE = "#E69F00"
SKY_BLUE = "#56B4E9"
BLACK = "#000000"

GRAY = "#8a8a8a"
"""Color of items shown only for comparison, such as controls."""

SERIES = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY_BLUE)
"""Colors of curves, bars and arms, in the order of assignment."""
