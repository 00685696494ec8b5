"""Maps say what the classifier says at each place."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from medcl.finetune import Classifier, Images
from medcl.store import Store
from medcl.tissue import DenseViews
from medcl.tissue.config import PatchConfig
from medcl.tissue.maps import DenseGrid
from medcl.tissue.patch_sampling import abnormal_mask, scan_body_mask
from medcl.views import load_policy


@settings(max_examples=40)
@given(
    st.tuples(*[st.integers(3, 14)] * 3),
    st.tuples(*[st.floats(0.5, 3)] * 3),
    st.floats(1, 9),
    st.integers(0, 2**32 - 1),
)
def test_a_linear_function_comes_back_through_any_grid(
    shape: tuple[int, int, int], spacing: tuple[float, float, float], stride: float, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    tissue = generator.random(shape) < 0.3
    tissue[tuple(generator.integers(0, shape))] = True
    grid = DenseGrid.over(tissue, np.array(spacing), stride)
    slope = generator.normal(size=3)
    interpolated = grid.interpolate(grid.centers @ slope + 1)
    expected = np.where(tissue, np.moveaxis(np.indices(shape), 0, -1) @ slope + 1, 0)
    np.testing.assert_allclose(interpolated, expected, atol=1e-3)


def test_grid_points_that_no_tissue_asks_for_are_left_out() -> None:
    tissue = np.zeros((40, 40, 40), bool)
    tissue[:5, :5, :5] = tissue[-5:, -5:, -5:] = True
    grid = DenseGrid.over(tissue, np.ones(3), 4.0)
    assert len(grid.centers) < 0.1 * grid.needed.size


class Brightness(Classifier):
    """Calls a patch by its mean."""

    def __init__(self) -> None:
        nn.Module.__init__(self)

    def forward(self, views: torch.Tensor) -> torch.Tensor:
        return 4 * views.flatten(1).mean(dim=1)


def test_a_map_shows_the_ball_where_it_is(store: Store) -> None:
    config = PatchConfig(edge_mm=6, stride_mm=3)
    for dims in (2, 3):
        images = Images(load_policy("mr"), 4, 1, dims)
        probability = DenseViews.of(store, 2, config, images).map(Brightness())
        ball, tissue = abnormal_mask(store, 2), scan_body_mask(store, 2)
        assert probability.shape == store.array(2).shape
        assert probability[ball].mean() > probability[tissue & ~ball].mean() + 0.2
        assert not probability[~tissue].any()
        weight = probability - probability[tissue].mean()
        center = (np.argwhere(weight > 0.2)).mean(axis=0)
        assert np.abs(center - np.argwhere(ball).mean(axis=0)).max() < 1.5
