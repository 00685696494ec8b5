"""A network that classifies scans: encoder, pooling of slices, linear head."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
from scipy.special import expit
from torch import Tensor, nn

from medcl.finetune.features import Images, encode, whole_views
from medcl.finetune.pooling import Pooling, build_pooling
from medcl.finetune.probe import LinearProbe
from medcl.pretrain import Encoder
from medcl.store import Store


class Classifier(nn.Module):
    """An encoder with a linear head.

    `forward` maps K slices per scan, (B, K, C, *spatial), to one logit per scan, (B,).

    Args:
        encoder: Encoder of slices or volumes.
        pooling: How the slices of a volume are pooled.
        seed: Random seed of the pooling's weights; those of the head are zero.

    Attributes:
        temperature: Divides the logits, 1 before calibration; saved with the weights.
    """

    temperature: Tensor

    def __init__(self, encoder: Encoder, pooling: Pooling = "max", seed: int = 0) -> None:
        super().__init__()
        self.encoder, self.pooling = encoder, pooling
        self.register_buffer("temperature", torch.ones(()))
        self.pool = build_pooling(pooling, encoder.feature_size, seed)
        self.head = nn.Linear(encoder.feature_size, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    @property
    def pooling_and_head(self) -> nn.ModuleList:
        """The layers that follow the encoder."""
        return nn.ModuleList([self.head, self.pool])

    @classmethod
    def from_probe(cls, encoder: Encoder, probe: LinearProbe, pooling: Pooling = "max") -> Classifier:
        """Return the encoder with a linear probe as its head, in evaluation mode.

        Args:
            encoder: Encoder, which is copied.
            probe: Probe fitted on features that `extract_features` pooled in the same way.
            pooling: How the slices of a volume are pooled.
        """
        classifier = cls(copy.deepcopy(encoder), pooling)
        weight, bias = probe.as_linear()
        with torch.no_grad():
            classifier.head.weight.copy_(torch.as_tensor(weight)[None])
            classifier.head.bias.fill_(bias)
        return classifier.eval()

    def forward(self, views: Tensor) -> Tensor:
        """Return logits (B,) of views (B, K, C, *spatial)."""
        logits: Tensor = self.head(self.pool(encode(self.encoder, views))).squeeze(1)
        return logits / self.temperature


def predict(
    classifier: Classifier, store: Store, rows: Sequence[int] | np.ndarray, images: Images
) -> np.ndarray:
    """Return the probability (n,) of the positive class for `rows` of the store, unaugmented."""
    probability: np.ndarray = expit(predict_logits(classifier, store, rows, images))
    return probability


@torch.inference_mode()
def predict_logits(
    classifier: Classifier, store: Store, rows: Sequence[int] | np.ndarray, images: Images
) -> np.ndarray:
    """Return the log odds (n,) of the positive class for `rows` of the store, unaugmented."""
    classifier.eval()
    loader = whole_views(store, rows, images)
    return torch.cat([classifier(batch.data) for batch in loader]).double().numpy()
