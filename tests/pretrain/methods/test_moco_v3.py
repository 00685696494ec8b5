"""MoCo v3 against the pseudocode of its paper."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from medcl.pretrain.methods import Batch
from tests.pretrain.small_methods import make, make_views

BATCH = Batch(scan=torch.arange(8))


def test_moco_v3_is_its_paper_s_pseudocode() -> None:
    method, views = make("moco_v3"), make_views()
    project = nn.Sequential(method.encoder, method.projector)
    q1, q2 = (F.normalize(method.predictor(project(views[:, i]))) for i in (0, 1))
    k1, k2 = (F.normalize(method.key_network(views[:, i])) for i in (0, 1))
    labels = torch.arange(8)
    expected = sum(2 * 0.2 * F.cross_entropy(q @ k.T / 0.2, labels) for q, k in ((q1, k2), (q2, k1)))
    loss = method.loss(views, BATCH)["loss"]
    loss.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert all(p.grad is None for p in method.key_network.parameters())
