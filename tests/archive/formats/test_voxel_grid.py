"""Grids of stored voxels in any order of axes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from medcl.archive.flags import Rejected
from medcl.archive.formats.voxel_grid import VoxelGrid, checked, frame, scan_infos

VOLUME = VoxelGrid((4, 5, 6), np.dtype("<i2"), (0, 1, 2), np.diag([1.0, 2.0, 3.0, 1.0]))
IMAGE = VoxelGrid((7, 5), np.dtype("u1"), (0, 1), None, spacing_mm=(0.5, 0.7))


def stored(grid: VoxelGrid) -> tuple[np.ndarray, bytes]:
    """Return distinct values (axes as stored, the fastest first) and their bytes."""
    values = np.arange(np.prod(grid.sizes)).reshape(grid.sizes, order="F").astype(grid.dtype)
    return values, values.tobytes(order="F")


def test_a_volume_comes_back_in_space() -> None:
    values, content = stored(VOLUME)
    scan = frame(checked(VOLUME), content, "")
    np.testing.assert_array_equal(scan.array, values)
    assert (scan.spacing_mm, scan.unit, scan.flags) == ((1, 2, 3), "a.u.", ())
    turned = replace(VOLUME, affine=np.diag([-1.0, 2.0, 3.0, 1.0]))
    np.testing.assert_array_equal(frame(turned, content, "").array, values[::-1])
    (info,) = scan_infos(checked(VOLUME), "test")
    assert (info.part, info.kind, info.shape, info.spacing_mm) == ("", "volume", (4, 5, 6), (1, 2, 3))


def test_an_image_is_rows_by_columns() -> None:
    values, content = stored(IMAGE)
    grid = checked(IMAGE)
    scan = frame(grid, content, "")
    np.testing.assert_array_equal(scan.array, values.T)
    assert (scan.affine, scan.spacing_mm, scan.unit) == (None, (0.5, 0.7), "display")
    (info,) = scan_infos(grid, "test")
    assert (info.kind, info.shape, info.flags) == ("image", (5, 7), ("NO_GEOM",))


@pytest.mark.parametrize("at", [0, 3])
def test_further_axes_are_scans_of_their_own(at: int) -> None:
    sizes = [4, 5, 6]
    sizes.insert(at, 2)
    spatial = tuple(n for n in range(4) if n != at)
    grid = checked(replace(VOLUME, sizes=tuple(sizes), spatial=spatial, frame_name="frame"))
    values, content = stored(grid)
    infos = scan_infos(grid, "test")
    assert [info.part for info in infos] == ["frame:0", "frame:1"]
    assert infos[0].flags == ("FRAME_OF_MANY",)
    for number in range(2):
        scan = frame(grid, content, f"frame:{number}")
        np.testing.assert_array_equal(scan.array, values.take(number, axis=at))


def test_color_is_the_last_axis_without_alpha() -> None:
    grid = checked(replace(IMAGE, sizes=(4, 7, 5), spatial=(1, 2), color=0))
    values, content = stored(grid)
    scan = frame(grid, content, "")
    np.testing.assert_array_equal(scan.array, values.transpose(2, 1, 0)[..., :3])
    assert scan_infos(grid, "test")[0].shape == (5, 7, 3)


def test_numbers_that_are_none_are_masked_in_the_order_of_the_array() -> None:
    for grid in (replace(VOLUME, dtype=np.dtype("<f4")), replace(IMAGE, dtype=np.dtype("<f4"))):
        values, _ = stored(grid)
        values[1, 2] = np.nan
        scan = frame(grid, values.tobytes(order="F"), "")
        assert scan.valid is not None
        np.testing.assert_array_equal(
            scan.valid, ~np.isnan(values) if grid.affine is not None else ~np.isnan(values).T
        )
        assert np.isfinite(scan.array).all()


def with_affine(change: Any) -> VoxelGrid:
    affine = np.eye(4)
    change(affine)
    return replace(VOLUME, affine=affine)


def degenerate(affine: np.ndarray) -> None:
    affine[:3, 1] = affine[:3, 0]


def endless(affine: np.ndarray) -> None:
    affine[0, 3] = np.inf


def without_length(affine: np.ndarray) -> None:
    affine[:3, 2] = 0


@pytest.mark.parametrize(
    ("grid", "code"),
    [
        (replace(VOLUME, sizes=(4, 0, 6)), "BAD_HEADER"),
        (replace(VOLUME, sizes=(1 << 20, 1 << 20, 6)), "TOO_LARGE"),
        (replace(VOLUME, sizes=(1, 1, 6)), "NOT_AN_IMAGE"),
        (replace(VOLUME, sizes=(4, 5, 6, 200_000)), "TOO_LARGE"),
        (replace(VOLUME, sizes=(2,) * 17), "BAD_HEADER"),
        (replace(IMAGE, spacing_mm=(0.0, 1.0)), "BAD_HEADER"),
        (with_affine(degenerate), "AFFINE_DEGENERATE"),
        (with_affine(endless), "AFFINE_DEGENERATE"),
        (with_affine(without_length), "AFFINE_DEGENERATE"),
    ],
)
def test_grids_that_cannot_be_are_refused(grid: VoxelGrid, code: str) -> None:
    with pytest.raises(Rejected, match=code):
        checked(grid)


def test_what_is_odd_is_flagged() -> None:
    sheared = np.diag([1.0, 1.0, 3.0, 1.0])
    sheared[0, 2] = 1
    assert checked(replace(VOLUME, affine=sheared)).flags == {"SHEARED"}
    assert checked(replace(VOLUME, affine=np.diag([1.0, 1.0, 50.0, 1.0]))).flags == {"SPACING_IMPLAUSIBLE"}
    assert checked(replace(IMAGE, spacing_mm=None)).flags == {"NO_GEOM", "SPACING_UNKNOWN"}
