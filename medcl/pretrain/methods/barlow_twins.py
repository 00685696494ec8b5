"""Barlow Twins: redundancy reduction (Zbontar et al. 2021, arXiv 2103.03230)."""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveFloat
from torch import Tensor

from medcl.pretrain.losses import cross_correlation
from medcl.pretrain.methods.base import Batch, Expander, ExpanderConfig
from medcl.pretrain.methods.method_cost import FLOAT_BYTES, MethodCost, all_reduce_bytes
from medcl.pretrain.methods.registry import register
from medcl.pretrain.monitor import embedding_std


class BarlowTwinsConfig(ExpanderConfig):
    """Configuration of Barlow Twins: the cross-correlation of two views becomes the identity."""

    name: Literal["barlow_twins"] = "barlow_twins"
    redundancy: PositiveFloat = 5e-3
    """The paper's lambda."""

    def cost(self, batch_size: int, processes: int) -> MethodCost:
        """Return the cost of the (D, D) correlation, whose sums are all that is sent."""
        correlation = self.dimensions**2 * FLOAT_BYTES
        return MethodCost(
            queue_bytes=0,
            gather_bytes=0,
            matrix_bytes=correlation,
            wire_bytes=all_reduce_bytes(correlation, processes),
        )


@register(BarlowTwinsConfig)
class BarlowTwins(Expander):
    """sum_i (1 - C_ii)^2 + lambda sum_{i != j} C_ij^2, with C taken over the batch of all processes."""

    config: BarlowTwinsConfig

    def compare(self, embeddings: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Penalize the distance of the cross-correlation from the identity."""
        correlation = cross_correlation(*embeddings.unbind(1))
        diagonal = correlation.diagonal()
        invariance = (1 - diagonal).square().sum()
        redundancy = correlation.square().sum() - diagonal.square().sum()
        loss = self.config.scale * (invariance + self.config.redundancy * redundancy)
        parts = {"invariance": invariance.detach(), "redundancy": redundancy.detach()}
        return {"loss": loss, **parts, "embedding_std": embedding_std(embeddings.flatten(0, 1))}
