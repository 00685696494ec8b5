"""Color changes keep gray gray, and undo themselves."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
import torch

from medcl.views.backends.color import _STAINS, change_color

UNCHANGED = torch.tensor([[1.0, 0, 1, 1, 1, 0]])


@pytest.fixture
def views() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).uniform(0.3, 0.7, (1, 3, 5, 6)).astype(np.float32))


@pytest.mark.parametrize("stain", [False, True])
def test_values_that_change_nothing_change_nothing(views: torch.Tensor, stain: bool) -> None:
    torch.testing.assert_close(change_color(views, UNCHANGED, stain), views, atol=2e-5, rtol=0)


def test_gray_stays_gray_whatever_hue_and_saturation() -> None:
    gray = torch.full((1, 3, 4, 4), 0.4)
    changed = change_color(gray, torch.tensor([[2.0, 0.3, 1, 1, 1, 0]]), stain=False)
    torch.testing.assert_close(changed, gray, atol=2e-3, rtol=0)


def test_without_saturation_only_luminance_is_left(views: torch.Tensor) -> None:
    changed = change_color(views, torch.tensor([[0.0, 0, 1, 1, 1, 0]]), stain=False)
    luminance = torch.einsum("c,nc...->n...", torch.tensor([0.299, 0.587, 0.114]), views)
    for channel in range(3):
        torch.testing.assert_close(changed[:, channel], luminance, atol=2e-3, rtol=0)


def test_a_whole_turn_of_hue_is_none_and_a_third_turns_red_to_another_color(views: torch.Tensor) -> None:
    whole = change_color(views, torch.tensor([[1.0, 1.0, 1, 1, 1, 0]]), stain=False)
    torch.testing.assert_close(whole, views, atol=1e-4, rtol=0)
    red = torch.tensor([0.6, 0.4, 0.4]).reshape(1, 3, 1, 1)
    turned = change_color(red, torch.tensor([[1.0, 1 / 3, 1, 1, 1, 0]]), stain=False)
    hue, _, _ = colorsys.rgb_to_hsv(*turned.flatten().tolist())
    assert 0.2 < min(hue, 1 - hue) < 0.45


def test_more_haematoxylin_is_darker_along_its_own_color() -> None:
    pink = (-0.5 * _STAINS[0] - 0.5 * _STAINS[1]).exp().reshape(1, 3, 1, 1)
    more = change_color(pink, torch.tensor([[1.0, 0, 1.5, 1, 1, 0]]), stain=True)
    torch.testing.assert_close((pink / more).log().flatten(), 0.25 * _STAINS[0], atol=1e-4, rtol=0)


def test_results_stay_colors(views: torch.Tensor) -> None:
    for stain in (False, True):
        wild = change_color(views, torch.tensor([[9.0, 0.4, 3, 0, 3, -0.5]]), stain)
        assert ((wild >= 0) & (wild <= 1)).all()
