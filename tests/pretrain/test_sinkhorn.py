"""The balance of Sinkhorn's codes."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from medcl.pretrain.sinkhorn import sinkhorn

torch.set_num_threads(1)


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=30, deadline=None)
@given(st.integers(8, 64), st.integers(2, 8), st.integers(0, 1000))
def test_codes_are_balanced(rows: int, prototypes: int, seed: int) -> None:
    scores = draw(rows, prototypes, seed=seed).clamp(-2, 2) / 2
    codes = sinkhorn(scores, epsilon=0.25, iterations=100)
    assert torch.allclose(codes.sum(1), torch.ones(rows), atol=1e-5)
    assert torch.allclose(codes.sum(0), torch.full((prototypes,), rows / prototypes), rtol=1e-3, atol=1e-3)


def test_three_iterations_balance_codes_as_the_plain_form_does() -> None:
    """The paper's form in float64, on exponentials, where those are harmless."""
    scores = torch.nn.functional.normalize(draw(48, 16), dim=1) @ torch.nn.functional.normalize(
        draw(16, 6, seed=1), dim=0
    )
    plain = (scores.double() / 0.05).exp().T
    plain /= plain.sum()
    for _ in range(3):
        plain /= plain.sum(1, keepdim=True) * 6
        plain /= plain.sum(0, keepdim=True) * 48
    assert torch.allclose(sinkhorn(scores).double(), (plain * 48).T, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
@pytest.mark.parametrize("epsilon", [0.05, 0.01, 0.001])
def test_codes_stay_finite_where_exp_overflows(dtype: torch.dtype, epsilon: float) -> None:
    scores = torch.tensor([[1.0, -1], [1, -1], [0.9, -1], [1, -0.9]], dtype=dtype)
    codes = sinkhorn(scores, epsilon)
    assert codes.dtype == torch.float32
    assert torch.isfinite(codes).all()
    assert torch.allclose(codes.sum(1), torch.ones(4), atol=1e-5)
