"""Measures of collapse on networks whose state is known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from medcl.pretrain.monitor import measures as monitors

torch.set_num_threads(1)


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_spread_is_one_on_the_sphere_and_zero_when_collapsed() -> None:
    assert monitors.embedding_std(draw(4000, 32)).item() == pytest.approx(1, abs=0.03)
    assert monitors.embedding_std(draw(1, 32).expand(50, 32)).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("rank", [1, 3, 8])
def test_effective_rank_counts_equal_directions(rank: int) -> None:
    directions = torch.linalg.qr(draw(20, 8))[0].T[:rank]
    assert monitors.effective_rank(torch.cat([directions, -directions])).item() == pytest.approx(
        rank, rel=1e-4
    )


def test_effective_rank_of_equal_features_is_one() -> None:
    assert monitors.effective_rank(torch.ones(9, 4)).item() == pytest.approx(1)


def test_alignment_is_zero_for_equal_directions_and_four_for_opposite_ones() -> None:
    z = draw(10, 6)
    assert monitors.alignment(z, 3 * z).item() == pytest.approx(0, abs=1e-10)
    assert monitors.alignment(z, -z).item() == pytest.approx(4, rel=1e-5)


def test_uniformity_is_zero_when_collapsed_and_known_for_two_poles() -> None:
    assert monitors.uniformity(torch.ones(5, 3)).item() == pytest.approx(0, abs=1e-6)
    poles = torch.tensor([[1.0, 0], [-1, 0]])
    assert monitors.uniformity(poles).item() == pytest.approx(-8, rel=1e-5)
    assert monitors.uniformity(draw(500, 64)) < -3


def test_knn_tells_separate_classes_and_survives_a_handful_of_labels() -> None:
    labels = torch.tensor([0, 0, 0, 1, 1])
    features = torch.nn.functional.one_hot(labels).float() * 5 + 0.1 * draw(5, 2)
    assert monitors.knn_balanced_accuracy(features, labels, k=1) == 1
    assert 0 <= monitors.knn_balanced_accuracy(features, labels, k=200) <= 1
    assert monitors.knn_balanced_accuracy(features[2:4], labels[2:4]) == 0  # each has only the other


def test_knn_cannot_be_bought_by_the_larger_class() -> None:
    labels = torch.tensor([0] * 18 + [1] * 2)
    assert monitors.knn_balanced_accuracy(torch.ones(20, 3), labels) <= 0.5


def test_probe_is_a_refit_without_each_scan() -> None:
    features, labels = draw(14, 3), torch.arange(14) % 3
    features = features + 1.5 * torch.nn.functional.one_hot(labels).float()
    wide = ((features - features.mean(0)) / features.std(0, correction=0)).double()
    wide = torch.cat([wide, torch.ones(14, 1, dtype=torch.float64)], dim=1)
    truth = torch.nn.functional.one_hot(labels).double()
    predictions = []
    for left_out in range(14):
        others = torch.arange(14) != left_out
        gram = wide[others].T @ wide[others] + 3 * torch.eye(4, dtype=torch.float64)
        predictions.append(
            (wide[left_out] @ torch.linalg.solve(gram, wide[others].T @ truth[others])).argmax()
        )
    right = torch.stack(predictions) == labels
    expected = sum(right[labels == c].float().mean().item() for c in range(3)) / 3
    assert 0.4 < expected < 1
    assert monitors.probe_balanced_accuracy(features, labels) == pytest.approx(expected)


class Features(nn.Module):
    """Batch norm, then pixels as features: what it measures depends on its mode."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(1)
        self.feature_size = 16

    def forward(self, views: torch.Tensor) -> torch.Tensor:
        return self.norm(views).flatten(1)


@pytest.mark.parametrize("training", [True, False])
def test_measuring_leaves_the_encoder_as_it_was(training: bool) -> None:
    encoder = Features().train(training)
    before = {key: value.clone() for key, value in encoder.state_dict().items()}
    views = draw(12, 2, 1, 4, 4)
    first, second = monitors.encode_pairs(encoder, views.split(5))
    measures = monitors.measure(first, second, torch.arange(12) % 2)
    assert encoder.training is training
    assert all(torch.equal(value, before[key]) for key, value in encoder.state_dict().items())
    assert measures.keys() == {"feature_std", "effective_rank", "alignment", "uniformity", "knn", "probe"}
    assert all(math.isfinite(value) for value in measures.values())


def test_verdict_speaks_of_collapse_and_only_of_collapse() -> None:
    healthy = monitors.measure(*monitors.encode_pairs(Features(), [draw(40, 2, 1, 4, 4)]))
    assert monitors.collapse_message(healthy | {"embedding_std": 0.9}) is None
    assert "same way" in (monitors.collapse_message({"embedding_std": 0.01}) or "")
    line = torch.linspace(-1, 1, 30)[:, None, None, None, None] * torch.ones(1, 2, 1, 4, 4)
    flat = monitors.measure(*monitors.encode_pairs(Features(), [line]))
    assert "one direction" in (monitors.collapse_message(flat) or "")


def test_prototype_use_counts_first_choices() -> None:
    codes = torch.eye(4)[[0, 0, 1, 2, 2, 2]]
    assert monitors.prototype_use(codes).item() == pytest.approx(3 / 4)
    assert monitors.prototype_use(codes[:2]).item() == pytest.approx(1 / 2)
