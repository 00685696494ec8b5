from __future__ import annotations

import numpy as np
import pytest

from medcl.store.extents import Extent
from medcl.store.slices import DISPLAYED_AXES


@pytest.mark.parametrize("axis", [-1, 0, 1, 2])
def test_the_flat_form_says_the_same(axis: int) -> None:
    shape = (9, 11) if axis < 0 else (9, 11, 7)
    valid = np.random.default_rng(0).random(shape) < 0.05
    extent = Extent.of(valid, axis)
    again = Extent.from_flat(extent.flat())
    for name in ("box", "nearest", "ends"):
        np.testing.assert_array_equal(getattr(again, name), getattr(extent, name))


def test_nothing_is_kept_where_all_or_nothing_was_measured() -> None:
    assert Extent.of(np.ones((3, 4, 5), bool), 2) is None
    assert Extent.of(np.zeros((3, 4), bool), -1) is None


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_ends_are_those_of_the_nearest_measured_slice_as_displayed(axis: int) -> None:
    valid = np.zeros((12, 10, 8), bool)
    np.moveaxis(valid, axis, 0)[3, 2:5, 1:4] = True
    extent = Extent.of(valid, axis)
    assert (extent.nearest == 3).all()
    rows, columns = DISPLAYED_AXES[axis]
    for displayed, source in enumerate((rows, columns)):
        first, stop = extent.box[source]
        count = valid.shape[source]
        np.testing.assert_array_equal(extent.ends[0, displayed], [count - stop, count - first])
