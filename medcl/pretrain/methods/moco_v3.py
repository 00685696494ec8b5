"""MoCo v3: momentum contrast without a queue (Chen, Xie, He 2021, arXiv 2104.02057)."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor, nn

from medcl.pretrain.distributed.collectives import gather
from medcl.pretrain.losses import info_nce
from medcl.pretrain.methods.base import Batch, Method, MethodConfig, encode_separately
from medcl.pretrain.methods.method_cost import FLOAT_BYTES, IDENTITY_BYTES, MethodCost, all_gather_bytes
from medcl.pretrain.methods.registry import register
from medcl.pretrain.monitor import embedding_std
from medcl.pretrain.networks import mlp
from medcl.pretrain.networks.momentum import MomentumBranch, cosine_momentum
from medcl.views import same_scan_or_patient


class MoCoV3Config(MethodConfig):
    """Configuration of MoCo v3: predict a view's momentum key among those of the batch, both ways."""

    name: Literal["moco_v3"] = "moco_v3"
    temperature: PositiveFloat = 0.2
    """The paper's for ViT; it takes 1 for ResNet-50."""
    hidden: PositiveInt = 1024
    """Width of projector and predictor; 4096 in the paper."""
    projection: PositiveInt = 256
    momentum: Annotated[float, Field(ge=0, le=1)] = 0.99
    """At the first step; it rises to 1 along a cosine."""

    def cost(self, batch_size: int, processes: int) -> MethodCost:
        """Return the cost of gathering the keys of both views, and of the similarities with one of them."""
        keys = batch_size * self.projection * FLOAT_BYTES
        identities = batch_size * IDENTITY_BYTES
        return MethodCost(
            queue_bytes=0,
            gather_bytes=2 * keys,
            matrix_bytes=batch_size // processes * batch_size * FLOAT_BYTES,
            wire_bytes=2 * all_gather_bytes(keys, processes) + 2 * all_gather_bytes(identities, processes),
        )


@register(MoCoV3Config)
class MoCoV3(Method):
    """ctr(q1, k2) + ctr(q2, k1), with the keys of all processes and without gradient to them."""

    config: MoCoV3Config

    def __init__(self, config: MoCoV3Config, encoder: nn.Module) -> None:
        super().__init__(config, encoder)
        hidden, size = config.hidden, config.projection
        layers = mlp([self.feature_size, hidden, size], last_bias=False)
        self.projector = nn.Sequential(*layers, nn.BatchNorm1d(size, affine=False))
        self.predictor = mlp([size, hidden, size], last_bias=False)
        self.key_network = MomentumBranch(self._online())

    def _online(self) -> nn.Sequential:
        return nn.Sequential(self.encoder, self.projector)

    def embed(self, views: Tensor) -> Tensor:
        """Map views (B, 2, ...) to (B, 4, D): two queries, then the two keys."""
        queries = encode_separately(nn.Sequential(self._online(), self.predictor), views)
        return torch.cat([queries, encode_separately(self.key_network, views)], dim=1)

    def compare(self, embeddings: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Contrast each query with the other view's key."""
        q1, q2, k1, k2 = embeddings.unbind(1)
        identity = batch.identity()
        loss = self._contrast(q1, k2, identity) + self._contrast(q2, k1, identity)
        return {"loss": loss, "embedding_std": embedding_std(q1)}

    def _contrast(self, query: Tensor, key: Tensor, identity: Tensor) -> Tensor:
        temperature, key = self.config.temperature, key.detach()
        # Every row shares the scan with itself, so its key is excluded from the negatives.
        excluded = same_scan_or_patient(identity, gather(identity))
        # The paper's factor, which makes the gradient's size independent of the temperature.
        return 2 * temperature * info_nce(query, key, gather(key), excluded, temperature)

    def on_step_end(self, progress: float) -> None:
        """Move the key network towards the online one."""
        self.key_network.update(self._online(), cosine_momentum(self.config.momentum, progress))
