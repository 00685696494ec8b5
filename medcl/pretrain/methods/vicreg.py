"""VICReg: variance, invariance, covariance (Bardes, Ponce, LeCun 2022, arXiv 2105.04906)."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from pydantic import PositiveFloat
from torch import Tensor, nn

from medcl.pretrain.losses import covariance, full_precision
from medcl.pretrain.methods.base import Batch, Expander, ExpanderConfig
from medcl.pretrain.monitor.measures import spread


class VICRegConfig(ExpanderConfig):
    """Two views agree, while each dimension keeps its variance and no two dimensions say the same."""

    name: Literal["vicreg"] = "vicreg"
    invariance: PositiveFloat = 25.0
    variance: PositiveFloat = 25.0
    covariance: PositiveFloat = 1.0


class VICReg(Expander):
    """lambda s(z1, z2) + mu [v(z1) + v(z2)] + nu [c(z1) + c(z2)]: equation 6, over all processes."""

    def __init__(self, config: VICRegConfig, encoder: nn.Module) -> None:
        super().__init__(config, encoder)
        self.config = config

    def compare(self, embeddings: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Weigh the three terms; variance and covariance are averaged over the two views."""
        first, second = embeddings.unbind(1)
        spectra = [covariance(first), covariance(second)]
        invariance = full_precision(F.mse_loss)(first, second)
        # The published code halves both sums over the views, and so do we.
        variance = sum((_hinge(c) for c in spectra), invariance.new_zeros(())) / 2
        redundancy = sum((_off_diagonal(c) for c in spectra), invariance.new_zeros(())) / 2
        weights = self.config
        loss = weights.invariance * invariance + weights.variance * variance + weights.covariance * redundancy
        parts = {"invariance": invariance, "variance": variance, "covariance": redundancy}
        detached = {name: part.detach() for name, part in parts.items()}
        return {"loss": weights.scale * loss, **detached, "spread": spread(embeddings.flatten(0, 1))}


def _hinge(covariance: Tensor) -> Tensor:
    """Return the mean of max(0, 1 - standard deviation) over dimensions."""
    return F.relu(1 - (covariance.diagonal() + 1e-4).sqrt()).mean()


def _off_diagonal(covariance: Tensor) -> Tensor:
    """Return the sum of the squared covariances of different dimensions, over their number D."""
    return (covariance.square().sum() - covariance.diagonal().square().sum()) / len(covariance)
