"""Simulated scanners: grids, lesion masks and Hounsfield units."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from medcl.demo.anatomy import draw_body
from medcl.demo.modality import AIR, SCANNERS, VALUE_RANGE
from medcl.demo.scanner import Grid, acquire, draw_grid, lesion_mask
from medcl.demo.shapes import Shape


@pytest.mark.parametrize("scanner", SCANNERS, ids=lambda scanner: scanner.site)
def test_grids_are_rigid_with_the_spacing_of_their_scanner(scanner) -> None:  # type: ignore[no-untyped-def]
    pixel = scanner.field_mm / scanner.matrix
    tilted = 0
    for seed in range(30):
        grid = draw_grid(np.random.default_rng(seed), scanner)
        axes = grid.affine[:3, :3]
        lengths = np.linalg.norm(axes, axis=0)
        np.testing.assert_allclose(lengths, [pixel, pixel, scanner.slice_mm])
        np.testing.assert_allclose(axes.T @ axes, np.diag(lengths**2), atol=1e-9)
        assert axes[0, 0] < 0, "columns run to the patient's left"
        assert axes[1, 1] < 0, "rows run to the back"
        tilted += abs(axes[2, 1]) > 1e-9
        middle = grid.affine @ [*((np.array(grid.shape) - 1) / 2), 1]
        assert np.abs(middle[:3]).max() <= 6.001
    assert 3 <= tilted <= 20


def test_points_are_where_the_affine_puts_them() -> None:
    affine = np.array([[0, -2, 0, 1], [-3, 0, 0, 2], [0, 0, 5, 3], [0, 0, 0, 1.0]])
    points = Grid(affine, (4, 5, 6)).points()
    np.testing.assert_allclose(points[:, 3, 2, 1], (affine @ [3, 2, 1, 1])[:3])


def test_the_box_of_a_shape_holds_all_of_it() -> None:
    grid = draw_grid(np.random.default_rng(2), SCANNERS[0])
    shape = Shape((20, 10, 5), (18, 12, 9), 50, 30)
    inside = shape.depth_mm(grid.points()) > 0
    outside = inside.copy()
    outside[grid.index_box(shape, 0)] = False
    assert inside.any()
    assert not outside.any()


def test_a_scan_has_air_around_tissue_and_lesions_darker_than_the_liver() -> None:
    rng = np.random.default_rng(5)
    scanner = SCANNERS[0]
    body = draw_body(rng, abnormal=True)
    grid = draw_grid(rng, scanner)
    hu, mask = acquire(rng, body, grid, scanner), lesion_mask(body, grid)
    assert hu.dtype == np.int16
    assert hu.shape == mask.shape == grid.shape
    assert VALUE_RANGE[0] <= hu.min() < -950
    assert hu[0, 0].mean() == pytest.approx(AIR, abs=15)
    assert set(np.unique(mask)) == set(range(len(body.lesions) + 1))
    deep = ndimage.binary_erosion(mask > 0)
    assert np.median(hu[deep]) == pytest.approx(body.liver_value + body.lesions[0].contrast, abs=12)
