"""Heads: prototypes and multi-layer perceptrons."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from medcl.pretrain.networks.heads import Prototypes, mlp


def test_prototypes_have_no_bias_and_score_cosines() -> None:
    prototypes = Prototypes(6, 4)
    assert [name for name, _ in prototypes.named_parameters()] == ["weight"]
    with torch.no_grad():
        prototypes.weight.mul_(7)
    prototypes.normalize()
    z = F.normalize(torch.randn(5, 6), dim=1)
    expected = F.cosine_similarity(z[:, None], prototypes.weight[None], dim=2)
    assert torch.allclose(prototypes(z), expected, atol=1e-6)


def test_heads_have_no_bias_before_batch_norm() -> None:
    layers = mlp([4, 6, 6, 3])
    assert [type(layer).__name__ for layer in layers] == [*["Linear", "BatchNorm1d", "ReLU"] * 2, "Linear"]
    assert [layer.bias is None for layer in layers if isinstance(layer, nn.Linear)] == [True, True, False]
