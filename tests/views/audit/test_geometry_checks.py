"""Checks of geometry pass on medcl's own views and fail, with a figure, on views that lie."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from medcl.views import Policy, ScanGeometry, ViewParams, load_policy
from medcl.views.audit import geometry_checks as checks
from medcl.views.audit.geometry_checks import MeasuredGeometry
from medcl.views.audit.phantoms import phantom_grids
from medcl.views.audit.view_pipeline import ViewPipeline

POLICY = load_policy("us")


@dataclass(frozen=True)
class Mirrored(ViewPipeline):
    """Flips every view across, and does not say so."""

    def draw(self, policy: Policy, geometry: ScanGeometry, seed: int, epoch: int) -> ViewParams:
        params = super().draw(policy, geometry, seed, epoch)
        matrix = params.matrix.copy()
        matrix[..., -1] += matrix[..., 1] * (params.size - 1)
        matrix[..., 1] *= -1
        return replace(params, matrix=matrix)


@dataclass(frozen=True)
class Stretched(ViewPipeline):
    """Shows columns twice as wide as rows."""

    def draw(self, policy: Policy, geometry: ScanGeometry, seed: int, epoch: int) -> ViewParams:
        params = super().draw(policy, geometry, seed, epoch)
        matrix = params.matrix.copy()
        matrix[..., 1] *= 0.5
        return replace(params, matrix=matrix)


@dataclass(frozen=True)
class Displaced(ViewPipeline):
    """Shows another place than it claims."""

    def render(self, store: object, params: ViewParams) -> np.ndarray:
        return np.roll(super().render(store, params), 9, axis=-1)  # type: ignore[arg-type]


def measured(pipeline: type[ViewPipeline]) -> MeasuredGeometry:
    return MeasuredGeometry.of(pipeline(POLICY), phantom_grids(POLICY)[0])


@pytest.fixture(scope="module")
def true() -> MeasuredGeometry:
    return measured(ViewPipeline)


def test_the_fit_is_the_affine_of_the_parameters(true: MeasuredGeometry) -> None:
    np.testing.assert_allclose(true.fit, true.coordinates.params.matrix, atol=0.02)
    voxels = np.tile(true.fit[:, 0, None, :, -1], (1, 1, 1))
    np.testing.assert_allclose(true.pixels_of(voxels)[:, 0], 0, atol=1e-6)
    assert true.shown(voxels)[:, 0].all()
    assert not true.shown(voxels - 1000).any()


def test_true_views_hold_every_invariant(true: MeasuredGeometry) -> None:
    sides, axes = checks.check_sides(true)
    assert (sides.id, sides.figure, sides.passed) == ("I3", "0 of 96 views mirrored", True)
    assert (axes.id, axes.passed) == ("I4", True)
    for check in (
        checks.check_rigid,
        checks.check_strain,
        checks.check_affine,
        checks.check_anchor,
        checks.check_padding,
        checks.check_overlap,
    ):
        result = check(true)
        assert result.passed, result
        assert result.where == "image"


def test_undeclared_mirrors_are_counted() -> None:
    sides, axes = checks.check_sides(measured(Mirrored))
    assert (sides.figure, sides.passed) == ("96 of 96 views mirrored", False)
    assert sides.pictures
    assert axes.passed


def test_a_stretch_is_not_rigid() -> None:
    result = checks.check_rigid(measured(Stretched))
    assert not result.passed
    assert "uneven by 1.00" in result.figure or "uneven by 0.99" in result.figure


def test_a_false_claim_is_found_by_pixels_and_by_masks() -> None:
    displaced = measured(Displaced)
    for check in (checks.check_affine, checks.check_mask):
        assert not check(displaced).passed
    assert checks.check_strain(displaced).id == "I6"
