"""SimCLR: a simple framework for contrastive learning (Chen et al. 2020, arXiv 2002.05709)."""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn

from medcl.config import Config
from medcl.pretrain.losses import Similarity, contrastive, nt_xent
from medcl.pretrain.methods.base import Batch, Method, encode_together
from medcl.pretrain.monitor.measures import spread
from medcl.pretrain.networks.heads import mlp


class SimCLRConfig(Config):
    """Two views of a scan are each other's positive, all other views in the batch their negatives."""

    name: Literal["simclr"] = "simclr"
    temperature: PositiveFloat = 0.2
    """The paper's best are .1 to .5; .2 is solo-learn's for small data."""
    projection: PositiveInt = 128
    loss: Literal["nt-xent", "contrastive"] = "nt-xent"
    similarity: Similarity = "cosine"
    margin: PositiveFloat = 1.0
    """Distance beyond which a negative pair costs nothing; only for `loss: contrastive`."""


class SimCLR(Method):
    """NT-Xent (or the pairwise margin loss) on z = g(f(x)), with gradients to the views of all processes."""

    def __init__(self, config: SimCLRConfig, encoder: nn.Module) -> None:
        super().__init__(encoder)
        self.config = config
        self.projector = mlp([self.feature_size, self.feature_size, config.projection])

    def embed(self, views: Tensor) -> Tensor:
        """Project both views in one pass: as in the paper, BN sees all 2B of them."""
        return encode_together(lambda x: self.projector(self.encoder(x)), views)

    def compare(self, embeddings: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Contrast the first views with the second."""
        first, second = embeddings.unbind(1)
        if self.config.loss == "contrastive":
            margin, kind = self.config.margin, self.config.similarity
            loss = contrastive(first, second, batch.identity(), margin, kind)
        else:
            temperature, kind = self.config.temperature, self.config.similarity
            loss = nt_xent(first, second, batch.identity(), temperature, kind)
        return {"loss": loss, "spread": spread(embeddings.flatten(0, 1))}
