"""Slices into an array: types that hold every value, padding, and slices in between."""

from __future__ import annotations

import numpy as np
import pytest

from medcl.archive.dicom.pixels.frames import MeasuredFrame
from medcl.archive.dicom.series.slice_grid import Grid
from medcl.archive.dicom.series.stacks import Stack, group
from medcl.archive.dicom.series.volume import VolumeBuffer, interpolated, volume
from medcl.archive.flags import Rejected
from tests.archive.dicom.series.slices import header

BODY = np.where(np.arange(8)[:, None] < 4, -1000, 30) + np.zeros((6, 8, 6), int)
"""Six slices of air above water."""


def measured(values: np.ndarray, padding: np.ndarray | None = None) -> MeasuredFrame:
    return MeasuredFrame(values, padding)


@pytest.mark.parametrize(
    ("lows", "dtype"),
    [
        ([-1024, 3000], np.int16),
        ([0, 40_000], np.uint16),
        ([-1, 40_000], np.int32),
        ([0, 1 << 33], np.float32),
        ([0.5, 1.0], np.float32),
    ],
)
def test_the_type_is_the_smallest_that_holds_every_slice(lows: list[float], dtype: type) -> None:
    buffer = VolumeBuffer(2, 3, 4, (False, False))
    for number, low in enumerate(lows):
        buffer.write(number, measured(np.full((3, 4), low)))
    result = buffer.finished()
    assert result.dtype == dtype
    assert result[:, 0, 0].tolist() == lows


def test_slices_are_turned_as_they_are_written_and_padding_with_them() -> None:
    buffer = VolumeBuffer(1, 2, 3, (True, True))
    values = np.arange(6).reshape(2, 3)
    buffer.write(0, measured(values, values == 0))
    np.testing.assert_array_equal(buffer.finished()[0], values[::-1, ::-1])
    assert buffer.padding is not None
    assert np.argwhere(buffer.padding).tolist() == [[0, 1, 2]]


def test_a_slice_of_another_size_and_an_absurd_array_are_refused() -> None:
    with pytest.raises(Rejected, match="MISMATCH"):
        VolumeBuffer(1, 2, 3, (False, False)).write(0, measured(np.zeros((3, 2))))
    with pytest.raises(Rejected, match="TOO_LARGE"):
        VolumeBuffer(1000, 60_000, 60_000, (False, False))


def stack_of(count: int = 6, **changes: object) -> Stack:
    (stack,), _ = group([(n, header(n, (0.0, 0.0, 2.0 * n), **changes)) for n in range(count)])
    return stack


def test_a_volume_is_in_the_axes_of_its_affine() -> None:
    stack = stack_of()
    slices = np.random.default_rng(0).integers(-1000, 1000, (6, 8, 6))
    scan = volume(stack, lambda number: measured(slices[number]))
    assert scan.array.shape == stack.shape
    assert scan.affine is not None
    # Axial slices: columns run to the left, rows to the back.
    np.testing.assert_array_equal(scan.array, slices.transpose(2, 1, 0)[::-1, ::-1])
    np.testing.assert_allclose(scan.affine @ [5, 7, 0, 1], [0, 0, 0, 1], atol=1e-9)
    assert (scan.unit, scan.valid, scan.flags) == ("HU", None, ())
    assert min(scan.array.strides) > 0


def test_padding_is_air_below_air_in_ct_and_the_lowest_value_elsewhere() -> None:
    slices = BODY.copy()
    slices[:, 0, 0] = -1010
    padding = np.zeros((8, 6), bool)
    padding[3, 3] = True
    for changes, fill in (({}, -1024), ({"modality": "MR"}, -1010)):
        scan = volume(stack_of(**changes), lambda number: measured(slices[number], padding))
        assert scan.flags == ("PAD_MASKED",)
        assert scan.valid is not None
        assert (~scan.valid).sum() == 6
        assert set(scan.array[~scan.valid]) == {fill}


def test_what_fills_all_corners_of_a_ct_slice_below_air_is_no_measurement() -> None:
    slices = BODY.copy()
    slices[:, [0, 0, -1, -1], [0, -1, 0, -1]] = -2000
    scan = volume(stack_of(), lambda number: measured(slices[number]))
    assert scan.valid is not None
    assert (~scan.valid).sum() == 6 * 4
    slices[slices == -2000] = -1000
    assert volume(stack_of(), lambda number: measured(slices[number])).valid is None


def test_numbers_that_are_none_are_masked() -> None:
    slices = np.zeros((6, 8, 6), np.float32)
    slices[2, 3, 4] = np.nan
    scan = volume(stack_of(modality="MR"), lambda number: measured(slices[number]))
    assert np.isfinite(scan.array).all()
    assert scan.valid is not None
    assert (~scan.valid).sum() == 1
    assert scan.flags == ("NONFINITE",)


def test_uncalibrated_ct_that_looks_like_hounsfield_units_says_so() -> None:
    scan = volume(stack_of(slope=None), lambda number: measured(BODY[number]))
    assert scan.flags == ("HU_LIKELY", "UNCALIBRATED")
    assert scan.unit == "a.u."


@pytest.mark.parametrize(("flags", "is_gap"), [(("GAP",), True), (("VARSPACING",), False)])
def test_slices_between_are_linear_and_those_of_a_gap_not_measured(
    flags: tuple[str, ...], is_gap: bool
) -> None:
    array = np.array([0, 10, 40], np.int16)[:, None, None] * np.ones((1, 2, 2), np.int16)
    where = Grid(np.eye(4), 5, np.array([0.0, 1, 4]), flags)
    out, valid = interpolated(array, None, where)
    assert out[:, 0, 0].tolist() == [0, 10, 20, 30, 40]
    assert out.dtype == np.int16
    if is_gap:
        assert valid is not None
        assert valid[:, 0, 0].tolist() == [True, True, False, False, True]
    else:
        assert valid is None


def test_between_a_masked_and_a_measured_voxel_nothing_is_measured() -> None:
    array = np.ones((2, 1, 1), np.float32)
    valid = np.array([True, False])[:, None, None]
    _, result = interpolated(array, valid, Grid(np.eye(4), 3, np.array([0.0, 2]), ("VARSPACING",)))
    assert result is not None
    assert result[:, 0, 0].tolist() == [True, False, False]
