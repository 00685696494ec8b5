"""MoCo v3: momentum contrast without a queue (Chen, Xie, He 2021, arXiv 2104.02057)."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor, nn

from medcl.config import Config
from medcl.pretrain.distributed.collectives import gather
from medcl.pretrain.losses import info_nce
from medcl.pretrain.methods.base import Batch, Method, encode_apart
from medcl.pretrain.monitor.measures import spread
from medcl.pretrain.networks.heads import mlp
from medcl.pretrain.networks.momentum import MomentumBranch, cosine_momentum
from medcl.views.related import same_scan_or_patient


class MoCoV3Config(Config):
    """Predict a view's momentum key, told from the keys of the other scans in the batch, both ways."""

    name: Literal["moco_v3"] = "moco_v3"
    temperature: PositiveFloat = 0.2
    """The paper's for ViT; it takes 1 for ResNet-50."""
    hidden: PositiveInt = 1024
    """Width of projector and predictor; 4096 in the paper."""
    projection: PositiveInt = 256
    momentum: Annotated[float, Field(ge=0, le=1)] = 0.99
    """At the first step; it rises to 1 along a cosine."""


class MoCoV3(Method):
    """ctr(q1, k2) + ctr(q2, k1), with the keys of all processes and without gradient to them."""

    def __init__(self, config: MoCoV3Config, encoder: nn.Module) -> None:
        super().__init__(encoder)
        self.config = config
        hidden, size = config.hidden, config.projection
        layers = mlp([self.feature_size, hidden, size], last_bias=False)
        self.projector = nn.Sequential(*layers, nn.BatchNorm1d(size, affine=False))
        self.predictor = mlp([size, hidden, size], last_bias=False)
        self.key_network = MomentumBranch(self._online())

    def _online(self) -> nn.Sequential:
        return nn.Sequential(self.encoder, self.projector)

    def embed(self, views: Tensor) -> Tensor:
        """Map views (B, 2, ...) to (B, 4, D): two queries, then the two keys."""
        queries = encode_apart(nn.Sequential(self._online(), self.predictor), views)
        return torch.cat([queries, encode_apart(self.key_network, views)], dim=1)

    def compare(self, embeddings: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Contrast each query with the other view's key."""
        q1, q2, k1, k2 = embeddings.unbind(1)
        identity = batch.identity()
        loss = self._contrast(q1, k2, identity) + self._contrast(q2, k1, identity)
        return {"loss": loss, "spread": spread(q1)}

    def _contrast(self, query: Tensor, key: Tensor, identity: Tensor) -> Tensor:
        temperature, key = self.config.temperature, key.detach()
        # Every row is like itself, so its own key is left to be the positive.
        excluded = same_scan_or_patient(identity, gather(identity))
        # The paper's factor, which makes the gradient's size independent of the temperature.
        return 2 * temperature * info_nce(query, key, gather(key), excluded, temperature)

    def on_step_end(self, progress: float) -> None:
        """Let the key network follow the online one."""
        self.key_network.update(self._online(), cosine_momentum(self.config.momentum, progress))
