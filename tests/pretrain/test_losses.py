"""Losses against formulas written out in float64, known values, invariances, MONAI and low precision."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.losses import ContrastiveLoss
from torch import Tensor

from medcl.pretrain.losses import (
    contrastive,
    covariance,
    cross_correlation,
    info_nce,
    negative_cosine,
    nt_xent,
)
from medcl.views.related import same_scan_or_patient

torch.set_num_threads(1)


def views(
    seed: int, count: int = 6, size: int = 5, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    first, second = torch.randn(2, count, size, generator=generator, dtype=torch.float64).to(dtype)
    return first, second


def similarity(a: np.ndarray, b: np.ndarray, kind: str) -> float:
    if kind == "euclidean":
        return -float(((a - b) ** 2).sum())
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def nt_xent_formula(first: Tensor, second: Tensor, temperature: float, kind: str, groups: list[int]) -> float:
    """Equation 1 of the SimCLR paper, term by term; rows of one group are no negatives of each other."""
    z, count = np.concatenate([first.numpy(), second.numpy()]), len(first)
    total = 0.0
    for i in range(2 * count):
        twin = (i + count) % (2 * count)
        others = [k for k in range(2 * count) if k == twin or groups[k % count] != groups[i % count]]
        terms = {k: math.exp(similarity(z[i], z[k], kind) / temperature) for k in others}
        total -= math.log(terms[twin] / sum(terms.values()))
    return total / (2 * count)


@pytest.mark.parametrize("kind", ["cosine", "euclidean"])
@pytest.mark.parametrize("groups", [[0, 1, 2, 3, 4, 5], [0, 0, 1, 2, 2, 2]])
def test_nt_xent_is_the_formula(kind: str, groups: list[int]) -> None:
    first, second = views(0)
    identity = torch.stack([torch.arange(6), torch.tensor(groups)], dim=1)
    expected = nt_xent_formula(first, second, 0.5, kind, groups)
    assert nt_xent(first, second, identity, 0.5, kind).item() == pytest.approx(expected, rel=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 9), st.integers(2, 7), st.floats(0.05, 2), st.integers(0, 1000))
def test_nt_xent_agrees_with_monai_where_monai_is_finite(
    count: int, size: int, tau: float, seed: int
) -> None:
    first, second = views(seed, count, size)
    expected = ContrastiveLoss(temperature=tau)(first, second).item()
    assert nt_xent(first, second, None, tau).item() == pytest.approx(expected, rel=1e-6)


def test_nt_xent_of_identical_views_of_an_orthogonal_batch() -> None:
    z, tau = torch.eye(8, dtype=torch.float64), 0.2
    closed_form = math.log(1 + 14 * math.exp(-1 / tau))
    assert nt_xent(z, z, None, tau).item() == pytest.approx(closed_form, rel=1e-12)


def test_nt_xent_of_one_patient_alone_is_zero() -> None:
    first, second = views(1)
    identity = torch.stack([torch.arange(6), torch.zeros(6, dtype=torch.long)], dim=1)
    assert nt_xent(first, second, identity).item() == 0


@pytest.mark.parametrize("loss", [nt_xent, contrastive, negative_cosine])
def test_order_of_the_batch_does_not_matter(loss) -> None:
    first, second = views(2)
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    assert loss(first[order], second[order]).item() == pytest.approx(loss(first, second).item(), rel=1e-12)


@pytest.mark.parametrize("loss", [nt_xent, contrastive, negative_cosine])
def test_swapped_views_cost_the_same(loss) -> None:
    first, second = views(3)
    assert loss(second, first).item() == pytest.approx(loss(first, second).item(), rel=1e-12)


@pytest.mark.parametrize("kind", ["cosine", "euclidean"])
@pytest.mark.parametrize("loss", [nt_xent, contrastive])
def test_gradients_of_pair_losses(loss, kind: str) -> None:
    first, second = (z.requires_grad_() for z in views(4, 4, 3))
    identity = torch.tensor([[0, 0], [1, 0], [2, 1], [3, 2]])
    assert torch.autograd.gradcheck(lambda a, b: loss(a, b, identity, 0.7, kind), (first, second))


@pytest.mark.parametrize("kind", ["cosine", "euclidean"])
def test_contrastive_is_the_formula(kind: str) -> None:
    first, second = views(5)
    z = np.concatenate([first.numpy(), second.numpy()])
    if kind == "cosine":
        z = z / np.linalg.norm(z, axis=1, keepdims=True)
    distance = np.linalg.norm(z[:, None] - z[None], axis=2)
    scan = np.arange(12) % 6
    positive = np.roll(np.eye(12, dtype=bool), 6, axis=1)
    negative = scan[:, None] != scan[None]
    margin = 1.2
    expected = (distance[positive] ** 2).mean() / 2 + (
        np.maximum(0, margin - distance[negative]) ** 2
    ).mean() / 2
    assert contrastive(first, second, None, margin, kind).item() == pytest.approx(expected, rel=1e-12)


def test_contrastive_leaves_patients_together_and_has_a_gradient_when_collapsed() -> None:
    first, second = torch.zeros(2, 4, 3, dtype=torch.float64)
    one_patient = torch.stack([torch.arange(4), torch.zeros(4, dtype=torch.long)], dim=1)
    assert contrastive(first, second, one_patient, 1.0, "euclidean").item() == 0
    first.requires_grad_()
    contrastive(first, second, None, 1.0, "euclidean").backward()
    assert first.grad is not None
    assert torch.isfinite(first.grad).all()


@pytest.mark.parametrize("kind", ["cosine", "euclidean"])
def test_info_nce_is_the_formula(kind: str) -> None:
    queries, keys = views(6)
    negatives = views(7, 9)[0]
    excluded = torch.rand(6, 9, generator=torch.Generator().manual_seed(0)) < 0.3
    total = 0.0
    for i in range(6):
        positive = math.exp(similarity(queries[i].numpy(), keys[i].numpy(), kind) / 0.3)
        others = [
            math.exp(similarity(queries[i].numpy(), negatives[k].numpy(), kind) / 0.3)
            for k in range(9)
            if not excluded[i, k]
        ]
        total -= math.log(positive / (positive + sum(others)))
    assert info_nce(queries, keys, negatives, excluded, 0.3, kind).item() == pytest.approx(
        total / 6, rel=1e-12
    )


def test_info_nce_without_a_negative_is_zero_and_has_a_gradient_of_zero() -> None:
    queries, keys = views(8)
    queries.requires_grad_()
    loss = info_nce(queries, keys, torch.zeros(4, 5, dtype=torch.float64), torch.ones(6, 4, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0
    assert queries.grad is not None
    assert queries.grad.abs().max() == 0


def test_negative_cosine_stops_the_gradient_at_its_target() -> None:
    predictions, targets = (z.requires_grad_() for z in views(9))
    negative_cosine(predictions, targets).backward()
    assert predictions.grad is not None
    assert targets.grad is None


def test_alike_means_same_scan_or_same_patient() -> None:
    one = torch.tensor([[0, 10], [1, 11]])
    other = torch.tensor([[0, 99], [5, 11], [6, 12]])
    assert same_scan_or_patient(one, other).tolist() == [[True, False, False], [False, True, False]]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("tau", [0.05, 0.01])
def test_half_precision_gives_the_float32_loss_where_monai_overflows(dtype: torch.dtype, tau: float) -> None:
    first, second = views(10, 64, 32, dtype)
    expected = nt_xent(first.float(), second.float(), None, tau)
    with torch.autocast("cpu", torch.bfloat16):
        result = nt_xent(first, second, None, tau)
    assert result.dtype == torch.float32
    assert torch.equal(result, expected)
    same = nt_xent(first, first, None, tau)
    assert torch.isfinite(same)


def test_nt_xent_needs_no_pairwise_feature_tensor() -> None:
    """MONAI builds (2B, 2B, F) and took 192 ms for B 128; a generous bound keeps that from coming back."""
    first, second = (z.requires_grad_() for z in views(11, 128, 128, torch.float32))
    nt_xent(first, second).backward()
    seconds = []
    for _ in range(5):
        begun = time.perf_counter()
        nt_xent(first, second).backward()
        seconds.append(time.perf_counter() - begun)
    assert min(seconds) < 0.04


def pair(seed: int = 0, rows: int = 12, size: int = 4) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    first = torch.randn(rows, size, generator=generator, dtype=torch.float64)
    return first, first + torch.randn(rows, size, generator=generator, dtype=torch.float64)


def test_cross_correlation_is_that_of_numpy() -> None:
    first, second = pair()
    expected = np.corrcoef(first.numpy(), second.numpy(), rowvar=False)[:4, 4:]
    assert np.allclose(cross_correlation(first, second).numpy(), expected, atol=1e-4)
    assert torch.allclose(
        cross_correlation(first, first).diagonal(), torch.ones(4, dtype=torch.float64), atol=1e-4
    )


@pytest.mark.parametrize("statistic", [cross_correlation, lambda a, b: covariance(a) + 2 * covariance(b)])
def test_gradients_of_batch_statistics(statistic) -> None:
    first, second = (z.requires_grad_() for z in pair(rows=5, size=3))
    assert torch.autograd.gradcheck(statistic, (first, second))
