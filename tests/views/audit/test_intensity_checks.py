"""Checks of intensity and machinery pass on medcl's own views and fail on views that lie."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from medcl.views import Policy, ScanGeometry, ViewParams, load_policy
from medcl.views.audit import intensity_checks as checks
from medcl.views.audit.check_results import CheckResult
from medcl.views.audit.phantoms import PhantomGrid, phantom_grids
from medcl.views.audit.view_pipeline import ViewPipeline

POLICY = load_policy("us")
GRID = phantom_grids(POLICY)[0]

Check = Callable[[ViewPipeline, PhantomGrid], CheckResult]


class Inverted(ViewPipeline):
    """Shows dark tissue bright."""

    def render(self, store: object, params: ViewParams) -> np.ndarray:
        return 1 - super().render(store, params)  # type: ignore[arg-type]


class Beyond(ViewPipeline):
    """Leaves the range."""

    def render(self, store: object, params: ViewParams) -> np.ndarray:
        return super().render(store, params) * 1.5  # type: ignore[arg-type]


class Writing(ViewPipeline):
    """Writes into the stored scan."""

    def render(self, store: object, params: ViewParams) -> np.ndarray:
        store.array(0)[0, 0] += 1  # type: ignore[attr-defined]
        return super().render(store, params)  # type: ignore[arg-type]


class Drifting(ViewPipeline):
    """Draws other views for other company."""

    def draw(self, policy: Policy, geometry: ScanGeometry, seed: int, epoch: int) -> ViewParams:
        return super().draw(policy, geometry, seed + len(geometry), epoch)


class Repeating(ViewPipeline):
    """Draws every epoch alike."""

    def draw(self, policy: Policy, geometry: ScanGeometry, seed: int, epoch: int) -> ViewParams:
        return super().draw(policy, geometry, seed, 0)


@dataclass(frozen=True)
class Strangers(ViewPipeline):
    """Takes every scan for another patient's."""

    def related(self, scans: pd.DataFrame) -> np.ndarray:
        return np.eye(len(scans), dtype=bool)


@pytest.mark.parametrize(
    ("check", "number", "liar"),
    [
        (checks.check_calibration, "I1", Inverted),
        (checks.check_untouched, "I2", Writing),
        (checks.check_range, "I12", Beyond),
        (checks.check_determinism, "I16", Drifting),
        (checks.check_diversity, "I17", Repeating),
        (checks.check_backends, "I18", Inverted),
        (checks.check_negatives, "I21", Strangers),
    ],
)
def test_true_views_pass_and_lies_are_measured(check: Check, number: str, liar: type[ViewPipeline]) -> None:
    good, bad = check(ViewPipeline(POLICY), GRID), check(liar(POLICY), GRID)
    assert (good.id, good.passed, good.where) == (number, True, "image")
    assert (bad.id, bad.passed) == (number, False)
    assert good.figure != bad.figure


@pytest.mark.parametrize("check", [checks.check_contrast, checks.check_leakage, checks.check_sampling])
def test_true_views_keep_contrast_hide_their_borders_and_resolve_structures(check: Check) -> None:
    assert check(ViewPipeline(POLICY), GRID).passed


def test_a_policy_that_protects_less_than_its_pixels_resolve_fails() -> None:
    coarse = POLICY.model_copy(update={"d_min_mm": POLICY.max_px_mm})
    assert not checks.check_sampling(ViewPipeline(coarse), GRID).passed


@pytest.mark.parametrize(
    ("means", "order"), [([0.1, 0.4, 0.9], 1.0), ([0.9, 0.4, 0.1], -1.0), ([0.0, 0.0, 1.0], 1.0)]
)
def test_values_beyond_the_window_have_no_order(means: list[float], order: float) -> None:
    assert checks._order(np.array(means), np.array([1.0, 2.0, 3.0])) == pytest.approx(order)
