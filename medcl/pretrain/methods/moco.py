"""MoCo v2: momentum contrast with a queue (He et al. 2020, 1911.05722; Chen et al. 2020, 2003.04297)."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor, nn

from medcl.config import Config
from medcl.pretrain.losses import Similarity, info_nce
from medcl.pretrain.methods.base import Batch, Method
from medcl.pretrain.monitor.measures import spread
from medcl.pretrain.networks.heads import mlp
from medcl.pretrain.networks.memory_bank import MemoryBank
from medcl.pretrain.networks.momentum import MomentumBranch
from medcl.views.related import same_scan_or_patient


class MoCoConfig(Config):
    """A view is told from the keys of earlier batches; keys come from a slowly moving copy."""

    name: Literal["moco"] = "moco"
    temperature: PositiveFloat = 0.2
    """.2 is v2's; v1 took .07."""
    projection: PositiveInt = 128
    queue: PositiveInt = 1024
    """Keys kept; about a quarter of a small data set. The paper has 65,536 for 1.3 million images."""
    momentum: Annotated[float, Field(ge=0, le=1)] = 0.99
    """Constant; the paper's .999 needs 100,000s of steps to forget the first weights."""
    similarity: Similarity = "cosine"

    def clamped(self, scans: int, batch_size: int) -> MoCoConfig:
        """Return the config with a queue that cannot still hold a scan when its turn comes again.

        Args:
            scans: size N of the data; the queue is at most N - B long.
            batch_size: scans B of a step over all processes.
        """
        return self.model_copy(update={"queue": max(1, min(self.queue, scans - batch_size))})


class MoCo(Method):
    """InfoNCE of each query with its key against the queue.

    The paper shuffles keys over GPUs, because a query and its key that share the batch norm of one GPU's few
    images recognize each other by it. Here batch norm is computed over all processes (see `batchnorm`), so
    that no query has statistics that set its key apart from those of the batch.
    """

    def __init__(self, config: MoCoConfig, encoder: nn.Module) -> None:
        super().__init__(encoder)
        self.config = config
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
            self.queue.hold(key, identity)
        negatives = (~excluded).sum(1).float().mean()
        return {"loss": loss, "spread": spread(query), "negatives": negatives}

    def on_step_end(self, progress: float) -> None:
        """Let the key network follow, and the keys of this step enter the queue."""
        self.key_network.update(self._online(), self.config.momentum)
        self.queue.advance()
