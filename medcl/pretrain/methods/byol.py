"""BYOL: bootstrap your own latent (Grill et al. 2020, arXiv 2006.07733)."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from medcl.pretrain.losses import negative_cosine
from medcl.pretrain.methods.base import Batch, Method, MethodConfig, encode_separately
from medcl.pretrain.methods.method_cost import MethodCost
from medcl.pretrain.methods.registry import register
from medcl.pretrain.monitor import embedding_std
from medcl.pretrain.networks import mlp
from medcl.pretrain.networks.momentum import MomentumBranch, cosine_momentum


class BYOLConfig(MethodConfig):
    """Configuration of BYOL: predict a slowly moving copy's projection of the other view; no negatives."""

    name: Literal["byol"] = "byol"
    momentum: Annotated[float, Field(ge=0, le=1)] = 0.99
    """At the first step; it rises to 1 along a cosine. The paper's .996 needs 100,000s of steps."""
    hidden: PositiveInt = 1024
    """Width of projector and predictor; 4096 in the paper, whose batches have 4096 images."""
    projection: PositiveInt = 256

    def cost(self, batch_size: int, processes: int) -> MethodCost:
        """Return zeros: a scan is compared with itself alone, so nothing is remembered, gathered or sent."""
        return MethodCost(queue_bytes=0, gather_bytes=0, matrix_bytes=0, wire_bytes=0)


@register(BYOLConfig)
class BYOL(Method):
    """2 - 2 cos(q(z1), z'2), both directions summed, with the gradient stopped at the target z'."""

    config: BYOLConfig

    def __init__(self, config: BYOLConfig, encoder: nn.Module) -> None:
        super().__init__(config, encoder)
        self.projector = mlp([self.feature_size, config.hidden, config.projection])
        self.predictor = mlp([config.projection, config.hidden, config.projection])
        self.target = MomentumBranch(self._online())

    def _online(self) -> nn.Sequential:
        return nn.Sequential(self.encoder, self.projector)

    def embed(self, views: Tensor) -> Tensor:
        """Map views (B, 2, ...) to (B, 6, D): two projections, two predictions, two targets."""
        projections = encode_separately(self._online(), views)
        predictions = encode_separately(self.predictor, projections)
        return torch.cat([projections, predictions, encode_separately(self.target, views)], dim=1)

    def compare(self, embeddings: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Predict each view's target from the other view."""
        z1, z2, p1, p2, t1, t2 = embeddings.unbind(1)
        loss = 4 + 2 * negative_cosine(p1, t2) + 2 * negative_cosine(p2, t1)
        return {"loss": loss, "embedding_std": embedding_std(torch.cat([z1, z2]))}

    def on_step_end(self, progress: float) -> None:
        """Move the target network towards the online one."""
        self.target.update(self._online(), cosine_momentum(self.config.momentum, progress))
