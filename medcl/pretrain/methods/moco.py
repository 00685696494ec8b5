"""MoCo v2: momentum contrast with a queue (He et al. 2020, 1911.05722; Chen et al. 2020, 2003.04297)."""

from __future__ import annotations

from typing import Annotated, Literal, Self

import torch
import torch.nn.functional as F
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor, nn

from medcl.pretrain.losses import Similarity, info_nce
from medcl.pretrain.methods.base import Batch, Method, MethodConfig
from medcl.pretrain.methods.method_cost import FLOAT_BYTES, IDENTITY_BYTES, MethodCost, all_gather_bytes
from medcl.pretrain.methods.registry import register
from medcl.pretrain.monitor import embedding_std
from medcl.pretrain.networks import mlp
from medcl.pretrain.networks.memory_bank import MemoryBank
from medcl.pretrain.networks.momentum import MomentumBranch
from medcl.views import same_scan_or_patient


class MoCoConfig(MethodConfig):
    """Configuration of MoCo v2: negatives are keys of earlier batches, from a slowly moving copy."""

    name: Literal["moco"] = "moco"
    temperature: PositiveFloat = 0.2
    """.2 is v2's; v1 took .07."""
    projection: PositiveInt = 128
    queue: PositiveInt = 1024
    """Number of keys; about a quarter of a small data set. The paper has 65,536 for 1.3 million images."""
    momentum: Annotated[float, Field(ge=0, le=1)] = 0.99
    """Constant; the paper's .999 needs 100,000s of steps to forget the first weights."""
    similarity: Similarity = "cosine"

    def cost(self, batch_size: int, processes: int) -> MethodCost:
        """Return the cost of the queue, of gathering its new keys, and of the similarities with it."""
        keys = batch_size * self.projection * FLOAT_BYTES
        identities = all_gather_bytes(batch_size * IDENTITY_BYTES, processes)
        return MethodCost(
            queue_bytes=self.queue * (self.projection * FLOAT_BYTES + IDENTITY_BYTES),
            gather_bytes=keys,
            matrix_bytes=batch_size // processes * self.queue * FLOAT_BYTES,
            wire_bytes=all_gather_bytes(keys, processes) + identities,
        )

    def limited(self, scans: int, batch_size: int) -> Self:
        """Return the configuration with a queue of at most `scans - batch_size` keys.

        A longer one would still hold the key of a scan when that scan comes again.
        """
        return self.model_copy(update={"queue": max(1, min(self.queue, scans - batch_size))})


@register(MoCoConfig)
class MoCo(Method):
    """InfoNCE of each query with its key against the queue.

    The paper shuffles keys over GPUs, because a query and its key that share the batch norm of one GPU's few
    images recognize each other by it. Here batch norm is computed over all processes (see `batchnorm`), so
    that no query has statistics that set its key apart from those of the batch.
    """

    config: MoCoConfig

    def __init__(self, config: MoCoConfig, encoder: nn.Module) -> None:
        super().__init__(config, encoder)
        # As in v2, the head has no batch norm.
        self.projector = mlp([self.feature_size, self.feature_size, config.projection], batch_norm=False)
        self.key_network = MomentumBranch(self._online())
        self.queue = MemoryBank(config.queue, config.projection)

    def _online(self) -> nn.Sequential:
        return nn.Sequential(self.encoder, self.projector)

    def embed(self, views: Tensor) -> Tensor:
        """Map views (B, 2, ...) to (B, 2, D): the first view's query and the second view's key."""
        return torch.stack([self._online()(views[:, 0]), self.key_network(views[:, 1])], dim=1)

    def compare(self, embeddings: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Contrast each query with its key and the queue."""
        query, key = embeddings[:, 0], embeddings[:, 1].detach()
        if self.config.similarity == "cosine":
            key = F.normalize(key.float(), dim=1)
        identity = batch.identity()
        excluded = same_scan_or_patient(identity, self.queue.identity) | self.queue.empty
        temperature, similarity = self.config.temperature, self.config.similarity
        loss = info_nce(query, key, self.queue.entries, excluded, temperature, similarity)
        if self.training:
            self.queue.stage(key, identity)
        negatives = (~excluded).sum(1).float().mean()
        return {"loss": loss, "embedding_std": embedding_std(query), "negatives": negatives}

    def on_step_end(self, progress: float) -> None:
        """Move the key network towards the online one, and write the keys of this step into the queue."""
        self.key_network.update(self._online(), self.config.momentum)
        self.queue.commit()
