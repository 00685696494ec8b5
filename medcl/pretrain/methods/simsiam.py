"""SimSiam: simple siamese networks (Chen & He 2021, arXiv 2011.10566)."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from medcl.config import Config
from medcl.pretrain.losses import negative_cosine
from medcl.pretrain.methods.base import Batch, Method, encode_apart
from medcl.pretrain.monitor.measures import spread
from medcl.pretrain.networks.heads import mlp


class SimSiamConfig(Config):
    """Predict the other view's projection by the same network; only the stopped gradient avoids collapse."""

    name: Literal["simsiam"] = "simsiam"
    dimensions: PositiveInt = 1024
    """Width of the projector; 2048 in the paper."""
    bottleneck: PositiveInt = 256
    """Hidden width of the predictor, a quarter of `dimensions` as in the paper."""


class SimSiam(Method):
    """D(p1, sg z2) / 2 + D(p2, sg z1) / 2 with D minus the cosine: algorithm 1."""

    def __init__(self, config: SimSiamConfig, encoder: nn.Module) -> None:
        super().__init__(encoder)
        width = config.dimensions
        layers = mlp([self.feature_size, width, width, width], last_bias=False)
        self.projector = nn.Sequential(*layers, nn.BatchNorm1d(width, affine=False))
        self.predictor = mlp([width, config.bottleneck, width])

    def embed(self, views: Tensor) -> Tensor:
        """Map views (B, 2, ...) to (B, 4, D): two projections, then two predictions."""
        projections = encode_apart(nn.Sequential(self.encoder, self.projector), views)
        return torch.cat([projections, encode_apart(self.predictor, projections)], dim=1)

    def compare(self, embeddings: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Predict each view's projection from the other."""
        z1, z2, p1, p2 = embeddings.unbind(1)
        loss = (negative_cosine(p1, z2) + negative_cosine(p2, z1)) / 2
        return {"loss": loss, "spread": spread(torch.cat([z1, z2]))}
