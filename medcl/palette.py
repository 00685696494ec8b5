"""Colors of figures, pages and marks on scans.

The colors of series are distinct for readers with every common color blindness (Okabe & Ito 2008).
"""

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

INK = "#1f2933"
"""Color of text, axes and the baseline in the review app."""

BLACK_PAGE, LIGHT_INK = "#101214", "#e8e8e8"
"""Background and text of contact sheets."""

FIRST_VIEW, SECOND_VIEW = "#4fc3f7", "#ffb74d"
"""Frames of the two views of a pair, on black; distinct for color-blind readers, too."""

ANCHOR, VIEW_MASK = "#aeea00", "#e57373"
"""The anchor and the outline of a mask on a contact sheet."""

MASK, PREDICTION = "#00e676", "#29b6f6"
"""A mask and the contour of a predicted region on a gray scan."""

LETTER = "#ffd84d"
"""Orientation letters on a gray scan."""
