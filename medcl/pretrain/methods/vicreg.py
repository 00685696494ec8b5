"""VICReg: variance, invariance, covariance (Bardes, Ponce, LeCun 2022, arXiv 2105.04906)."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from pydantic import PositiveFloat
from torch import Tensor

from medcl.pretrain.losses import covariance, full_precision
from medcl.pretrain.methods.base import Batch, Expander, ExpanderConfig
from medcl.pretrain.methods.method_cost import FLOAT_BYTES, MethodCost, all_reduce_bytes
from medcl.pretrain.methods.registry import register
from medcl.pretrain.monitor import embedding_std


class VICRegConfig(ExpanderConfig):
    """Configuration of VICReg: views agree, dimensions keep their variance and are uncorrelated."""

    name: Literal["vicreg"] = "vicreg"
    invariance: PositiveFloat = 25.0
    variance: PositiveFloat = 25.0
    covariance: PositiveFloat = 1.0

    def cost(self, batch_size: int, processes: int) -> MethodCost:
        """Return the cost of the two views' (D, D) covariances, whose sums are all that is sent."""
        covariances = 2 * self.dimensions**2 * FLOAT_BYTES
        return MethodCost(
            queue_bytes=0,
            gather_bytes=0,
            matrix_bytes=covariances,
            wire_bytes=all_reduce_bytes(covariances, processes),
        )


@register(VICRegConfig)
class VICReg(Expander):
    """lambda s(z1, z2) + mu [v(z1) + v(z2)] + nu [c(z1) + c(z2)]: equation 6, over all processes."""

    config: VICRegConfig

    def compare(self, embeddings: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Weigh the three terms; variance and covariance are averaged over the two views."""
        first, second = embeddings.unbind(1)
        covariances = [covariance(first), covariance(second)]
        invariance = full_precision(F.mse_loss)(first, second)
        # As in the published code, both sums over the views are halved.
        variance = sum((_hinge(c) for c in covariances), invariance.new_zeros(())) / 2
        redundancy = sum((_off_diagonal(c) for c in covariances), invariance.new_zeros(())) / 2
        weights = self.config
        loss = weights.invariance * invariance + weights.variance * variance + weights.covariance * redundancy
        parts = {"invariance": invariance, "variance": variance, "covariance": redundancy}
        detached = {name: part.detach() for name, part in parts.items()}
        return {
            "loss": weights.scale * loss,
            **detached,
            "embedding_std": embedding_std(embeddings.flatten(0, 1)),
        }


def _hinge(covariance: Tensor) -> Tensor:
    """Return the mean of max(0, 1 - standard deviation) over dimensions."""
    return F.relu(1 - (covariance.diagonal() + 1e-4).sqrt()).mean()


def _off_diagonal(covariance: Tensor) -> Tensor:
    """Return the sum of the squared covariances of different dimensions, over their number D."""
    return (covariance.square().sum() - covariance.diagonal().square().sum()) / len(covariance)
