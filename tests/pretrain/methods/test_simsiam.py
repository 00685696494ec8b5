"""SimSiam against the algorithm of its paper."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from medcl.pretrain.methods import Batch
from tests.pretrain.small_methods import make, make_views

BATCH = Batch(scan=torch.arange(8))


def test_simsiam_is_its_algorithm_and_stops_the_gradient_at_the_projection() -> None:
    method, views = make("simsiam"), make_views()
    z1, z2 = (method.projector(method.encoder(views[:, i])) for i in (0, 1))
    p1, p2 = method.predictor(z1), method.predictor(z2)
    expected = (
        -(F.cosine_similarity(p1, z2.detach()).mean() + F.cosine_similarity(p2, z1.detach()).mean()) / 2
    )
    wanted = torch.autograd.grad(expected, list(method.encoder.parameters()))
    loss = method.loss(views, BATCH)["loss"]
    result = torch.autograd.grad(loss, list(method.encoder.parameters()))
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(wanted, result, strict=True))
