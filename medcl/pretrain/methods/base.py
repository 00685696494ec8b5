"""What every contrastive method is, and what it is told about a batch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Batch(NamedTuple):
    """Facts about the B scans of this process's batch that a loss may need.

    A named tuple, because Lightning Fabric refuses frozen dataclasses as inputs of a module.

    Attributes:
        scan: (B,) int64 >= 0, equal for scans with the same pixels.
        patient: (B,) int64 >= 0, or None when every scan counts as its own patient. It must be given when
            the two views are of two scans of one patient (MICLe, Azizi et al. 2021), and keeps the other
            pairs of that patient from being negatives.
        step: optimiser steps already taken.
        epoch: passes over the data already completed.
    """

    scan: Tensor
    patient: Tensor | None = None
    step: int = 0
    epoch: int = 0

    def identity(self) -> Tensor:
        """Return (B, 2): the scan and the patient of each row."""
        return torch.stack([self.scan, self.scan if self.patient is None else self.patient], dim=1)


class Method(nn.Module, ABC):
    """A contrastive method around an encoder; it has no loop, no optimiser and no device code.

    The encoder maps (N, C, *spatial) to features (N, F) with F = `encoder.feature_size`. It is the online
    network, and what is kept, evaluated and exported; everything else serves its training.
    """

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    @property
    def feature_size(self) -> int:
        """Length F of the encoder's features."""
        return int(self.encoder.feature_size)  # type: ignore[arg-type]

    @abstractmethod
    def loss(self, views: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return "loss", to call backward on, and its parts without gradient.

        Args:
            views: (B, 2, C, *spatial), two views of each scan.
            batch: the facts about these scans.

        In W processes each returns its share; the mean of the shares is the loss of the whole batch.
        """

    def after_step(self, progress: float) -> None:
        """Do what follows an optimiser step, with `progress` in [0, 1] of all steps once it is counted."""

    def forward(self, views: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return `loss(...)`: wrappers such as DistributedDataParallel call a module, not its methods."""
        return self.loss(views, batch)


class EmbeddingMethod(Method):
    """A method whose loss depends on each view's embedding alone, so that gradients can be cached."""

    @abstractmethod
    def embed(self, views: Tensor) -> Tensor:
        """Map views (B, 2, C, *spatial) to embeddings (B, M, D)."""

    @abstractmethod
    def compare(self, embeddings: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return "loss" and its parts from the embeddings (B, M, D) of the whole batch."""

    def loss(self, views: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Compare what is embedded; see `Method.loss`."""
        return self.compare(self.embed(views), batch)


def encode_together(network: Callable[[Tensor], Tensor], views: Tensor) -> Tensor:
    """Map views (B, V, C, *spatial) to (B, V, D) in one forward pass: BN sees all views at once."""
    return network(views.flatten(0, 1)).unflatten(0, views.shape[:2])


def encode_apart(network: Callable[[Tensor], Tensor], views: Tensor) -> Tensor:
    """Map views (B, V, C, *spatial) to (B, V, D) in V forward passes: BN sees one view at a time."""
    return torch.stack([network(view) for view in views.unbind(1)], dim=1)
