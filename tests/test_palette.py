"""Colors stay apart for readers with every common color blindness."""

from __future__ import annotations

from itertools import combinations

import matplotlib.colors
import numpy as np

from medcl.palette import BLACK, GRAY, SERIES

BLINDNESS = {
    # Projections of linear RGB onto the colors that each kind of reader sees (Vienot et al. 1999).
    "protan": [[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]],
    "deutan": [[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]],
}


def linear(color: str) -> np.ndarray:
    value = np.array(matplotlib.colors.to_rgb(color))
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def test_no_two_colors_look_the_same() -> None:
    for matrix in (np.eye(3), *map(np.array, BLINDNESS.values())):
        seen = {color: matrix @ linear(color) for color in (*SERIES, BLACK)}
        apart = min(float(np.abs(seen[a] - seen[b]).max()) for a, b in combinations(seen, 2))
        assert apart > 0.08


def test_the_color_of_controls_is_gray_and_no_arm_s() -> None:
    red, green, blue = matplotlib.colors.to_rgb(GRAY)
    assert red == green == blue
    assert GRAY not in SERIES
    assert len(set(SERIES)) == len(SERIES)
