"""SimSiam: simple siamese networks (Chen & He 2021, arXiv 2011.10566)."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from medcl.pretrain.losses import negative_cosine
from medcl.pretrain.methods.base import Batch, Method, MethodConfig, encode_separately
from medcl.pretrain.methods.method_cost import MethodCost
from medcl.pretrain.methods.registry import register
from medcl.pretrain.monitor import embedding_std
from medcl.pretrain.networks import mlp


class SimSiamConfig(MethodConfig):
    """Configuration of SimSiam: predict the other view's projection by the same network.

    Only the stopped gradient avoids collapse.
    """

    name: Literal["simsiam"] = "simsiam"
    dimensions: PositiveInt = 1024
    """Width of the projector; 2048 in the paper."""
    bottleneck: PositiveInt = 256
    """Hidden width of the predictor, a quarter of `dimensions` as in the paper."""

    def cost(self, batch_size: int, processes: int) -> MethodCost:
        """Return zeros: a scan is compared with itself alone, so nothing is remembered, gathered or sent."""
        return MethodCost(queue_bytes=0, gather_bytes=0, matrix_bytes=0, wire_bytes=0)


@register(SimSiamConfig)
class SimSiam(Method):
    """D(p1, sg z2) / 2 + D(p2, sg z1) / 2 with D minus the cosine: algorithm 1."""

    config: SimSiamConfig

    def __init__(self, config: SimSiamConfig, encoder: nn.Module) -> None:
        super().__init__(config, encoder)
        width = config.dimensions
        layers = mlp([self.feature_size, width, width, width], last_bias=False)
        self.projector = nn.Sequential(*layers, nn.BatchNorm1d(width, affine=False))
        self.predictor = mlp([width, config.bottleneck, width])

    def embed(self, views: Tensor) -> Tensor:
        """Map views (B, 2, ...) to (B, 4, D): two projections, then two predictions."""
        projections = encode_separately(nn.Sequential(self.encoder, self.projector), views)
        return torch.cat([projections, encode_separately(self.predictor, projections)], dim=1)

    def compare(self, embeddings: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Predict each view's projection from the other."""
        z1, z2, p1, p2 = embeddings.unbind(1)
        loss = (negative_cosine(p1, z2) + negative_cosine(p2, z1)) / 2
        return {"loss": loss, "embedding_std": embedding_std(torch.cat([z1, z2]))}
