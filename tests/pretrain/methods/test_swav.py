"""SwAV against its paper: swapped prediction, prototypes and queue."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from medcl.pretrain.methods import Batch, build_method
from medcl.pretrain.methods.swav import SwAVConfig
from medcl.pretrain.sinkhorn import sinkhorn
from tests.pretrain.small_methods import SmallEncoder, equal_views, log_sum, make, make_views

torch.set_num_threads(1)
BATCH = Batch(scan=torch.arange(8))


def swav_formula(method: nn.Module, crops: list[Tensor]) -> float:
    scores = [
        F.normalize(method.projector(method.encoder(crop))) @ method.prototypes.weight.T for crop in crops
    ]
    total = 0.0
    for i in (0, 1):
        code = sinkhorn(scores[i])
        others = [s for v, s in enumerate(scores) if v != i]
        total += (
            sum(-(code * (s / 0.1).log_softmax(1)).sum(1).mean().item() for s in others) / len(others) / 2
        )
    return total


def test_swav_is_the_swapped_prediction_of_large_and_small_crops() -> None:
    method, views, small = make("swav").eval(), make_views(), make_views(3)[:, [0, 1, 1]]
    large = list(views.unbind(1))
    assert method.loss(views, BATCH)["loss"].item() == pytest.approx(swav_formula(method, large), rel=1e-5)
    crops = large + list(small.unbind(1))
    result = method(views, BATCH, small)["loss"].item()
    assert result == pytest.approx(swav_formula(method, crops), rel=1e-5)


def test_swav_prototypes_stay_in_the_first_epoch_and_move_after_it() -> None:
    for epoch, moves in ((0, False), (1, True)):
        method = make("swav")
        method.loss(make_views(), Batch(torch.arange(8), epoch=epoch))["loss"].backward()
        assert bool(method.prototypes.weight.grad.abs().max() > 0) is moves


def test_swav_queue_fills_over_epochs_of_one_batch_and_is_used_once_full() -> None:
    """Elsewhere the count restarts each epoch, and a short epoch never fills the queue."""
    config = SwAVConfig(hidden=10, projection=6, prototypes=4, queue=20, queue_from_epoch=1)
    torch.manual_seed(0)
    method = build_method(config, SmallEncoder())
    used = []
    for epoch in range(5):
        parts = method.loss(make_views(), Batch(torch.arange(8), epoch=epoch))
        used.append(parts["queue_used"].item())
        method.on_step_end(0)
    assert used == [0, 0, 0, 1, 1]
    with_queue = method.loss(make_views(1), Batch(torch.arange(8), epoch=5))["loss"].item()
    without = method.loss(make_views(1), Batch(torch.arange(8), epoch=0))["loss"].item()
    assert with_queue != without


def test_views_on_prototypes_of_their_own_cost_what_one_against_the_others_does() -> None:
    """With as many prototypes as scans and a small epsilon, each scan's code is its own prototype."""
    method = make("swav").double()
    method.config = method.config.model_copy(update={"epsilon": 0.01})
    method.prototypes.weight.data = torch.eye(4, dtype=torch.float64)
    views = equal_views("swav", torch.eye(4, dtype=torch.float64))
    loss = method.compare(views, Batch(torch.arange(4), epoch=1))["loss"].item()
    assert loss == pytest.approx(log_sum(3, 1 / 0.1), rel=1e-6)
