"""Labels are placed on the voxels of a scan exactly, or refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medcl.archive.flags import Rejected
from medcl.archive.mask_grid import onto_grid


@given(
    start=st.tuples(*[st.integers(0, 2)] * 3),
    flips=st.tuples(*[st.booleans()] * 3),
    order=st.permutations(range(3)),
    shift=st.sampled_from([0.0, 0.01, 0.3]),
)
@settings(max_examples=60, deadline=None)
def test_part_of_a_grid_is_placed_exactly_or_refused(
    start: tuple[int, ...], flips: tuple[bool, ...], order: list[int], shift: float
) -> None:
    full = np.random.default_rng(0).integers(0, 4, (5, 6, 7)).astype(np.uint8)
    target = np.array([[1.0, 0.1, 0, 5], [-0.1, 1.2, 0, 6], [0, 0, 2.0, 7], [0, 0, 0, 1]])
    part = full[tuple(slice(s, s + 3) for s in start)]
    own = target.copy()
    own[:, 3] = target @ np.array([*start, 1.0]) + [shift, 0, 0, 0]
    part = part.transpose(order)
    own = own[:, [*order, 3]]
    for axis, flip in enumerate(flips):
        if flip:
            part = np.flip(part, axis)
            own[:, 3] += own[:, axis] * 2
            own[:, axis] *= -1
    if shift > 0.1:
        with pytest.raises(Rejected, match="MASK_MISMATCH"):
            onto_grid(part, own, full.shape, target)
        return
    expected = np.zeros_like(full)
    box = tuple(slice(s, s + 3) for s in start)
    expected[box] = full[box]
    placed, left_out = onto_grid(part, own, full.shape, target)
    np.testing.assert_array_equal(placed, expected)
    assert left_out == ()


@given(shift=st.tuples(*[st.integers(-3, 3)] * 3), count=st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_a_label_that_reaches_beyond_the_scan_is_left_out_alone(
    shift: tuple[int, int, int], count: int
) -> None:
    generator = np.random.default_rng(abs(hash((shift, count))))
    labels, affine = np.zeros((4, 4, 4), np.uint16), np.eye(4)
    for number in range(1, count + 1):
        labels[tuple(generator.integers(0, 4, 3))] = 1000 + number
    affine[:3, 3] = shift
    inside = {
        tuple(np.add(voxel, shift)): labels[tuple(voxel)]
        for voxel in np.argwhere(labels)
        if (np.add(voxel, shift) >= 0).all() and (np.add(voxel, shift) < 4).all()
    }
    whole = {n for n in set(labels[labels > 0]) if (labels == n).sum() == list(inside.values()).count(n)}
    if not whole:
        with pytest.raises(Rejected, match="MASK_MISMATCH"):
            onto_grid(labels, affine, (4, 4, 4), np.eye(4))
        return
    placed, left_out = onto_grid(labels, affine, (4, 4, 4), np.eye(4))
    assert set(left_out) == set(labels[labels > 0]) - whole
    assert {tuple(voxel): placed[tuple(voxel)] for voxel in np.argwhere(placed)} == {
        voxel: number for voxel, number in inside.items() if number in whole
    }
