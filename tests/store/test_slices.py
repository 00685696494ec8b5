from __future__ import annotations

import numpy as np
import pytest

from medcl.store.slices import coarsest_axis, slice_axis, slices_back, slices_first


def test_slices_are_counted_along_the_coarsest_axis_axial_if_equal() -> None:
    assert coarsest_axis(np.array([1.0, 5.0, 1.0])) == 1
    assert coarsest_axis(np.array([1.0, 1.0, 1.0])) == 2
    assert coarsest_axis(np.array([1.0, 0.995, 0.5])) == 1
    assert slice_axis(np.diag([4.0, 1.0, 1.0, 1.0])) == 0
    assert slice_axis(None) == -1


@pytest.mark.parametrize(
    ("axis", "shape"), [(-1, (4, 5)), (-1, (4, 5, 3)), (0, (2, 3, 4)), (2, (2, 3, 4, 3))]
)
def test_the_stored_form_is_a_view_and_comes_back(axis: int, shape: tuple[int, ...]) -> None:
    array = np.arange(np.prod(shape)).reshape(shape)
    stored = slices_first(array, axis)
    assert np.shares_memory(stored, array)
    assert len(stored) == (1 if axis < 0 else shape[axis])
    np.testing.assert_array_equal(slices_back(stored, axis), array)
