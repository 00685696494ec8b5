"""The policy in anybody's MONAI pipeline."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, Lambdad, RandScaleIntensity, ScaleIntensityRange

from medcl.views import load_policy
from medcl.views.monai_transforms import RandSafeViews, RandSafeViewsd
from tests.views.phantoms import grid_affine, phantom_volume, smooth_phantom


@pytest.fixture
def image() -> MetaTensor:
    shape = (60, 70, 20)
    affine = grid_affine((1.0, 1.0, 4.0), shape)
    return MetaTensor(torch.from_numpy(phantom_volume(shape, affine))[None], affine=torch.from_numpy(affine))


@pytest.mark.parametrize("dims", [2, 3])
def test_views_carry_their_affine(image: MetaTensor, dims: int) -> None:
    views = RandSafeViews(load_policy("mr").unaugmented(), 24, dims=dims)(image)
    assert len(views) == 2
    for view in views:
        assert isinstance(view, MetaTensor)
        assert view.shape == (1, *[24] * dims)
        middle = np.array([12] * dims)
        world = view.affine.numpy()[:3, :dims] @ middle + view.affine.numpy()[:3, 3]
        params = view.meta["params"]
        shown = (float(view[(0, *middle)]) * 0.25 + 0.5) * params.width[0, 0] + params.low[0, 0]
        assert shown == pytest.approx(float(smooth_phantom(world)), abs=15)


def test_composes_with_monai_and_follows_its_seed(image: MetaTensor) -> None:
    steps = [
        ScaleIntensityRange(0, 1000, 0, 500),
        RandSafeViews(load_policy("mr"), 24),
        RandScaleIntensity(0.1, prob=0.5),
    ]
    first, again, other = (Compose(steps).set_random_state(seed)(image) for seed in (1, 1, 2))
    for one, two, three in zip(first, again, other, strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=0)
        assert not torch.equal(one, three)


def test_dictionary_twin_keeps_registered_images_together(image: MetaTensor) -> None:
    pipeline = Compose(
        [Lambdad("flair", lambda x: x), RandSafeViewsd(["flair", "t1"], load_policy("mr").unaugmented(), 24)]
    ).set_random_state(3)
    views = pipeline({"flair": image, "t1": 500 - image, "name": "a"})
    assert views["name"] == "a"
    torch.testing.assert_close(views["flair_0"].affine, views["t1_0"].affine, rtol=0, atol=0)
    pair = np.stack([views[f"{name}_1"].numpy().ravel() for name in ("flair", "t1")])
    assert np.corrcoef(pair)[0, 1] < -0.99, "the same place of an inverted image"


def test_color_images_become_luminance() -> None:
    image = torch.rand(3, 40, 40)
    (view,) = RandSafeViews(load_policy("us"), 20, count=1)(image)
    assert view.shape == (1, 20, 20)
