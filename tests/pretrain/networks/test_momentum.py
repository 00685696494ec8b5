"""The momentum branch."""

from __future__ import annotations

import pytest
import torch

from medcl.pretrain.networks.momentum import MomentumBranch, cosine_momentum
from tests.pretrain.small_methods import SmallEncoder, make_views


def test_momentum_branch_averages_parameters_and_keeps_its_own_statistics() -> None:
    online = SmallEncoder(norm=True)
    branch = MomentumBranch(online)
    old = [p.clone() for p in branch.parameters()]
    with torch.no_grad():
        for parameter in online.parameters():
            parameter.add_(1)
    online(make_views(1)[:, 0])
    branch.update(online, 0.9)
    for before, after, new in zip(old, branch.parameters(), online.parameters(), strict=True):
        assert torch.allclose(after, 0.9 * before + 0.1 * new)
    assert branch.network.layers[2].num_batches_tracked == 0
    branch(make_views(1)[:, 0])
    assert branch.network.layers[2].num_batches_tracked == 1


def test_momentum_rises_to_one_along_a_cosine() -> None:
    assert cosine_momentum(0.996, 0) == pytest.approx(0.996)
    assert cosine_momentum(0.996, 0.5) == pytest.approx(0.998)
    assert cosine_momentum(0.996, 1) == 1
