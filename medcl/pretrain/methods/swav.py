"""SwAV: swapping assignments between views (Caron et al. 2020, arXiv 2006.09882)."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from medcl.pretrain.distributed.collectives import gather, rank
from medcl.pretrain.losses import full_precision
from medcl.pretrain.methods.base import Batch, Method, MethodConfig, encode_together
from medcl.pretrain.methods.method_cost import FLOAT_BYTES, IDENTITY_BYTES, MethodCost, all_gather_bytes
from medcl.pretrain.methods.registry import register
from medcl.pretrain.monitor import embedding_std, prototype_use
from medcl.pretrain.networks.heads import Prototypes, mlp
from medcl.pretrain.networks.memory_bank import MemoryBank
from medcl.pretrain.sinkhorn import sinkhorn


class SwAVConfig(MethodConfig):
    """Configuration of SwAV: a view predicts the other view's prototypes, when all are used evenly."""

    multi_crop: ClassVar[bool] = True

    name: Literal["swav"] = "swav"
    temperature: PositiveFloat = 0.1
    hidden: PositiveInt = 2048
    projection: PositiveInt = 128
    prototypes: PositiveInt = 128
    """No more than the batch has scans, or the queue is needed; the paper has 3,000 for batches of 4,096."""
    epsilon: PositiveFloat = 0.02
    """Smoothness of the codes; .05 in the paper, which leaves those of an untrained network almost even, so
    that a short run stays where it began, at a loss of log(prototypes)."""
    iterations: PositiveInt = 3
    """Of Sinkhorn's balancing."""
    freeze_epochs: NonNegativeInt = 1
    """Epochs in which the prototypes do not move."""
    queue: NonNegativeInt = 0
    """Past embeddings that help to balance the codes when the batch is small; 3,840 in the paper."""
    queue_from_epoch: NonNegativeInt = 15
    """Epochs before the queue is used: at first embeddings change too fast."""

    def cost(self, batch_size: int, processes: int) -> MethodCost:
        """Return the cost of gathering two views for their codes and for the queue, and of their scores."""
        embeddings = 2 * batch_size * self.projection * FLOAT_BYTES
        gathered = all_gather_bytes(embeddings, processes)
        enqueued = gathered + all_gather_bytes(batch_size * IDENTITY_BYTES, processes) if self.queue else 0
        return MethodCost(
            queue_bytes=self.queue * (2 * self.projection * FLOAT_BYTES + IDENTITY_BYTES),
            gather_bytes=embeddings,
            matrix_bytes=(batch_size + self.queue) * self.prototypes * FLOAT_BYTES,
            wire_bytes=gathered + enqueued,
        )

    def small_view_bytes(self, scans: int, small_views: int) -> int:
        """Return the memory of the embeddings of small views and of their scores."""
        return scans * small_views * (self.projection + self.prototypes) * FLOAT_BYTES


@register(SwAVConfig)
class SwAV(Method):
    """Cross-entropy of each view's softmax over prototypes with the Sinkhorn code of another view."""

    config: SwAVConfig

    def __init__(self, config: SwAVConfig, encoder: nn.Module) -> None:
        super().__init__(config, encoder)
        self.projector = mlp([self.feature_size, config.hidden, config.projection])
        self.prototypes = Prototypes(config.projection, config.prototypes)
        self.queue = MemoryBank(config.queue, 2, config.projection) if config.queue else None

    def embed(self, views: Tensor) -> Tensor:
        """Map views (B, V, ...) of any size to (B, V, D) on the unit sphere."""
        projected = encode_together(lambda x: self.projector(self.encoder(x)), views)
        return full_precision(F.normalize)(projected, dim=-1)

    def compare(self, embeddings: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Predict codes across views; the first two, large ones also give the codes (multi-crop)."""
        self.prototypes.normalize()
        large = embeddings[:, :2]
        scores = self.prototypes(embeddings, frozen=batch.epoch < self.config.freeze_epochs)
        use_queue = batch.epoch >= self.config.queue_from_epoch and self.queue is not None and self.queue.full
        codes = [self._codes(large[:, view], view, use_queue) for view in (0, 1)]
        swaps = [
            F.cross_entropy(scores[:, other] / self.config.temperature, codes[view])
            for view in (0, 1)
            for other in range(scores.shape[1])
            if other != view
        ]
        if self.queue is not None and self.training:
            self.queue.stage(large, batch.identity())
        loss = torch.stack(swaps).mean()
        return {
            "loss": loss,
            "embedding_std": embedding_std(large.flatten(0, 1)),
            "prototype_use": prototype_use(torch.cat(codes)),
            "queue_used": torch.full_like(loss.detach(), float(use_queue)),
        }

    @torch.no_grad()
    def _codes(self, embeddings: Tensor, view: int, use_queue: bool) -> Tensor:
        """Return the codes (B, K) of one view, balanced over all processes and the queue."""
        balanced = gather(embeddings)
        if use_queue and self.queue is not None:
            balanced = torch.cat([balanced, self.queue.entries[:, view]])
        codes = sinkhorn(self.prototypes(balanced), self.config.epsilon, self.config.iterations)
        return codes[rank() * len(embeddings) :][: len(embeddings)]

    def on_step_end(self, progress: float) -> None:
        """Write the embeddings of this step into the queue."""
        if self.queue is not None:
            self.queue.commit()
