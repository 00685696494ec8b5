"""What is a volume."""

from __future__ import annotations

import numpy as np
import pytest

from medcl.archive.scan import Scan


@pytest.mark.parametrize(
    ("shape", "affine", "volume"),
    [
        ((4, 5, 6), np.eye(4), True),
        ((4, 5, 6, 3), np.eye(4), True),
        ((4, 5), None, False),
        ((9, 4, 5), None, False),
    ],
)
def test_a_volume_has_three_axes_in_space(shape: tuple, affine: np.ndarray | None, volume: bool) -> None:
    scan = Scan(np.zeros(shape), affine, (1.0, 1.0, 1.0), "a.u.", "unknown")
    assert scan.is_volume is volume
    assert (scan.valid, scan.flags, scan.unwindowed) == (None, (), None)
