from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from medcl.pretrain.optimizers import LARS, OptimizerConfig, build_optimizer, cosine_rate


@pytest.mark.parametrize("name", ["sgd", "lars", "adamw"])
def test_biases_and_normalization_are_neither_decayed_nor_adapted(name: str) -> None:
    module = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2))
    optimizer = build_optimizer(module, OptimizerConfig(name=name, weight_decay=0.1), 256)
    decayed, spared = optimizer.param_groups
    assert {p.ndim for p in decayed["params"]} == {2, 4}
    assert {p.ndim for p in spared["params"]} == {1}
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.1, 0.0)
    assert spared.get("adapt", False) is False


def test_the_rate_scales_with_the_batch() -> None:
    optimizer = build_optimizer(nn.Linear(2, 2), OptimizerConfig(lr_per_256=0.3), 1024)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(1.2)


def test_lars_takes_the_step_of_its_paper_without_weight_decay_too() -> None:
    for decay in (0.0, 0.1):
        weight = nn.Parameter(torch.tensor([[3.0, 4.0]]))
        optimizer = LARS([weight], lr=0.5, momentum=0.9, weight_decay=decay, trust=0.01)
        expected, buffer = weight.detach().clone(), torch.zeros(1, 2)
        for gradient in (torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, -2.0]])):
            weight.grad = gradient
            optimizer.step()
            update = gradient + decay * expected
            buffer = 0.9 * buffer + 0.01 * expected.norm() / update.norm() * update
            expected = expected - 0.5 * buffer
            torch.testing.assert_close(weight.detach(), expected)


@given(st.integers(2, 500), st.floats(0, 50))
def test_the_schedule_rises_then_falls_and_stays_in_bounds(steps: int, warmup: float) -> None:
    rates = [cosine_rate(step, steps, warmup) for step in range(steps)]
    top = rates.index(max(rates))
    assert all(0 <= rate <= 1 for rate in rates)
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)


def test_the_schedule_ends_near_nothing() -> None:
    assert cosine_rate(999, 1000, 10) < 1e-5
