"""Barlow Twins against its paper and MONAI."""

from __future__ import annotations

import pytest
import torch
from monai.losses import BarlowTwinsLoss
from torch import Tensor

from medcl.pretrain.losses import cross_correlation
from medcl.pretrain.methods import Batch
from tests.pretrain.small_methods import make, make_views

BATCH = Batch(scan=torch.arange(8))


def pair(seed: int = 0, rows: int = 12, size: int = 4) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    first = torch.randn(rows, size, generator=generator, dtype=torch.float64)
    return first, first + torch.randn(rows, size, generator=generator, dtype=torch.float64)


def test_barlow_twins_agrees_with_monai_once_monai_is_corrected() -> None:
    """MONAI divides by the unbiased deviation and then by N: its correlation is (N - 1) / N of the true one.

    Undone here by stretching: a correlation of ours on its scale has (N - 1) / N on the diagonal.
    """
    first, second = pair()
    rows, weight = len(first), 0.3
    ours = cross_correlation(first, second) * (rows - 1) / rows
    diagonal = ours.diagonal()
    loss = (1 - diagonal).square().sum() + weight * (ours.square().sum() - diagonal.square().sum())
    assert loss.item() == pytest.approx(BarlowTwinsLoss(lambd=weight)(first, second).item(), rel=1e-4)


def test_barlow_twins_is_the_formula_and_zero_for_equal_independent_dimensions() -> None:
    method = make("barlow_twins").double()
    views = make_views().double()
    first, second = (method.projector(method.encoder(views[:, i])) for i in (0, 1))
    c = cross_correlation(first, second)
    total = 0.0
    for i in range(6):
        for j in range(6):
            total += (1 - c[i, i].item()) ** 2 if i == j else 0.1 * c[i, j].item() ** 2
    assert method.loss(views, BATCH)["loss"].item() == pytest.approx(0.1 * total, rel=1e-9)
    signs = torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1]]).repeat(2, 3)[:, :2]
    decorrelated = torch.stack([signs, signs], dim=1)
    assert method.compare(decorrelated, BATCH)["loss"].item() == pytest.approx(0, abs=1e-8)
