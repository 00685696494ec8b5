"""BYOL: bootstrap your own latent (Grill et al. 2020, arXiv 2006.07733)."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from medcl.config import Config
from medcl.pretrain.losses import negative_cosine
from medcl.pretrain.methods.base import Batch, Method, encode_apart
from medcl.pretrain.monitor.measures import spread
from medcl.pretrain.networks.heads import mlp
from medcl.pretrain.networks.momentum import MomentumBranch, cosine_momentum


class BYOLConfig(Config):
    """Predict what a slowly moving copy of the network says of the other view; no negatives."""

    name: Literal["byol"] = "byol"
    momentum: Annotated[float, Field(ge=0, le=1)] = 0.99
    """At the first step; it rises to 1 along a cosine. The paper's .996 needs 100,000s of steps."""
    hidden: PositiveInt = 1024
    """Width of projector and predictor; 4096 in the paper, whose batches have 4096 images."""
    projection: PositiveInt = 256


class BYOL(Method):
    """2 - 2 cos(q(z1), z'2), both directions summed, with the gradient stopped at the target z'."""

    def __init__(self, config: BYOLConfig, encoder: nn.Module) -> None:
        super().__init__(encoder)
        self.config = config
        self.projector = mlp([self.feature_size, config.hidden, config.projection])
        self.predictor = mlp([config.projection, config.hidden, config.projection])
        self.target = MomentumBranch(self._online())

    def _online(self) -> nn.Sequential:
        return nn.Sequential(self.encoder, self.projector)

    def embed(self, views: Tensor) -> Tensor:
        """Map views (B, 2, ...) to (B, 6, D): two projections, two predictions, two targets."""
        projections = encode_apart(self._online(), views)
        predictions = encode_apart(self.predictor, projections)
        return torch.cat([projections, predictions, encode_apart(self.target, views)], dim=1)

    def compare(self, embeddings: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Predict each view's target from the other view."""
        z1, z2, p1, p2, t1, t2 = embeddings.unbind(1)
        loss = 4 + 2 * negative_cosine(p1, t2) + 2 * negative_cosine(p2, t1)
        return {"loss": loss, "spread": spread(torch.cat([z1, z2]))}

    def on_step_end(self, progress: float) -> None:
        """Let the target follow the online network."""
        self.target.update(self._online(), cosine_momentum(self.config.momentum, progress))
