"""SimCLR: a simple framework for contrastive learning (Chen et al. 2020, arXiv 2002.05709)."""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn

from medcl.pretrain.losses import Similarity, contrastive, nt_xent
from medcl.pretrain.methods.base import Batch, Method, MethodConfig, encode_together
from medcl.pretrain.methods.method_cost import (
    FLOAT_BYTES,
    IDENTITY_BYTES,
    MethodCost,
    all_gather_bytes,
    all_reduce_bytes,
)
from medcl.pretrain.methods.registry import register
from medcl.pretrain.monitor import embedding_std
from medcl.pretrain.networks import mlp


class SimCLRConfig(MethodConfig):
    """Configuration of SimCLR: two views of a scan are positives, all other views of the batch negatives."""

    name: Literal["simclr"] = "simclr"
    temperature: PositiveFloat = 0.2
    """The paper's best are .1 to .5; .2 is solo-learn's for small data."""
    projection: PositiveInt = 128
    loss: Literal["nt-xent", "contrastive"] = "nt-xent"
    similarity: Similarity = "cosine"
    margin: PositiveFloat = 1.0
    """Distance beyond which a negative pair costs nothing; only for `loss: contrastive`."""

    def cost(self, batch_size: int, processes: int) -> MethodCost:
        """Return the cost of gathering both views with gradient, and of their similarities."""
        embeddings = 2 * batch_size * self.projection * FLOAT_BYTES
        anchors = 2 * (batch_size // processes)
        wire = all_gather_bytes(embeddings, processes) + all_reduce_bytes(embeddings, processes)
        return MethodCost(
            queue_bytes=0,
            gather_bytes=embeddings,
            matrix_bytes=anchors * 2 * batch_size * FLOAT_BYTES,
            wire_bytes=wire + 2 * all_gather_bytes(batch_size * IDENTITY_BYTES, processes),
        )


@register(SimCLRConfig)
class SimCLR(Method):
    """NT-Xent (or the pairwise margin loss) on z = g(f(x)), with gradients to the views of all processes."""

    config: SimCLRConfig

    def __init__(self, config: SimCLRConfig, encoder: nn.Module) -> None:
        super().__init__(config, encoder)
        self.projector = mlp([self.feature_size, self.feature_size, config.projection])

    def embed(self, views: Tensor) -> Tensor:
        """Project both views in one pass: as in the paper, batch norm sees all 2B of them."""
        return encode_together(lambda x: self.projector(self.encoder(x)), views)

    def compare(self, embeddings: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Contrast the first views with the second."""
        first, second = embeddings.unbind(1)
        if self.config.loss == "contrastive":
            margin, similarity = self.config.margin, self.config.similarity
            loss = contrastive(first, second, batch.identity(), margin, similarity)
        else:
            temperature, similarity = self.config.temperature, self.config.similarity
            loss = nt_xent(first, second, batch.identity(), temperature, similarity)
        return {"loss": loss, "embedding_std": embedding_std(embeddings.flatten(0, 1))}
