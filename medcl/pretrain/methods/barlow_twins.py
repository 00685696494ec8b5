"""Barlow Twins: redundancy reduction (Zbontar et al. 2021, arXiv 2103.03230)."""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveFloat
from torch import Tensor, nn

from medcl.pretrain.losses import cross_correlation
from medcl.pretrain.methods.base import Batch, Expander, ExpanderConfig
from medcl.pretrain.monitor.measures import spread


class BarlowTwinsConfig(ExpanderConfig):
    """The cross-correlation of two views' embeddings over the batch is driven to the identity."""

    name: Literal["barlow_twins"] = "barlow_twins"
    redundancy: PositiveFloat = 5e-3
    """The paper's lambda."""


class BarlowTwins(Expander):
    """sum_i (1 - C_ii)^2 + lambda sum_{i != j} C_ij^2, with C taken over the batch of all processes."""

    def __init__(self, config: BarlowTwinsConfig, encoder: nn.Module) -> None:
        super().__init__(config, encoder)
        self.config = config

    def compare(self, embeddings: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Penalize what the cross-correlation lacks on its diagonal and has beside it."""
        correlation = cross_correlation(*embeddings.unbind(1))
        diagonal = correlation.diagonal()
        invariance = (1 - diagonal).square().sum()
        redundancy = correlation.square().sum() - diagonal.square().sum()
        loss = self.config.scale * (invariance + self.config.redundancy * redundancy)
        parts = {"invariance": invariance.detach(), "redundancy": redundancy.detach()}
        return {"loss": loss, **parts, "spread": spread(embeddings.flatten(0, 1))}
