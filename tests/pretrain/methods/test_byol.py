"""BYOL against its paper."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from medcl.pretrain.methods import Batch
from tests.pretrain.small_methods import make, make_views

BATCH = Batch(scan=torch.arange(8))


def test_byol_target_starts_as_a_copy_heads_included_and_gets_no_gradient() -> None:
    method = make("byol", norm=True)
    online = nn.Sequential(method.encoder, method.projector).state_dict()
    target = method.target.network.state_dict()
    assert online.keys() == target.keys()
    assert all(torch.equal(online[key], target[key]) for key in online)
    method.loss(make_views(), BATCH)["loss"].backward()
    assert all(p.grad is None for p in method.target.parameters())


def test_byol_loss_is_zero_for_identical_inputs_through_identity_heads() -> None:
    method = make("byol")
    method.projector = method.predictor = nn.Identity()
    method.target.network = nn.Sequential(method.encoder, nn.Identity())
    views = make_views()[:, :1].expand(-1, 2, -1, -1, -1)
    assert method.loss(views, BATCH)["loss"].item() == pytest.approx(0, abs=1e-6)


def test_byol_is_the_paper_s_sum_of_both_directions() -> None:
    method, views = make("byol"), make_views()
    project = nn.Sequential(method.encoder, method.projector)
    p1, p2 = (method.predictor(project(views[:, i])) for i in (0, 1))
    t1, t2 = (method.target(views[:, i]) for i in (0, 1))
    expected = sum((F.normalize(p) - F.normalize(t)).square().sum(1).mean() for p, t in ((p1, t2), (p2, t1)))
    assert method.loss(views, BATCH)["loss"].item() == pytest.approx(expected.item(), rel=1e-5)
