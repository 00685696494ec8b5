"""What every contrastive method is, and what it is told about a batch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple

import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn

from medcl.config import Config
from medcl.pretrain.networks.heads import mlp


class Batch(NamedTuple):
    """Facts about the B scans of this process's batch that a loss may need.

    A named tuple, because Lightning Fabric refuses frozen dataclasses as inputs of a module.

    Attributes:
        scan: (B,) int64 >= 0, equal for scans with the same pixels.
        patient: (B,) int64 >= 0, or None when every scan counts as its own patient. It must be given when
            the two views are of two scans of one patient (MICLe, Azizi et al. 2021), and keeps the other
            pairs of that patient from being negatives.
        step: optimizer steps already taken.
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
    """A contrastive method around an encoder; it has no loop, no optimizer and no device code.

    The encoder maps (N, C, *spatial) to features (N, F) with F = `encoder.feature_size`. It is the online
    network, and what is kept, evaluated and exported; everything else serves its training.

    A loss is made in two parts: `embed` knows one scan at a time (batch norm apart), and `compare` is told
    all embeddings of the batch, so that gradients can be cached (see `grad_cache`).
    """

    multi_crop = False
    """Whether further, smaller views may be shown (see `loss`)."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    @property
    def feature_size(self) -> int:
        """Length F of the encoder's features."""
        return int(self.encoder.feature_size)  # type: ignore[arg-type]

    @abstractmethod
    def embed(self, views: Tensor) -> Tensor:
        """Map views (B, V, C, *spatial) to embeddings (B, M, D), M and D the method's own."""

    @abstractmethod
    def compare(self, embeddings: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return "loss", to call backward on, and its parts without gradient.

        Args:
            embeddings: (B, M, D) of this process's whole batch; of large and then of small views.
            batch: the facts about these scans.

        In W processes each returns its share; the mean of the shares is the loss of the whole batch.
        """

    def loss(self, views: Tensor, batch: Batch, small: Tensor | None = None) -> dict[str, Tensor]:
        """Compare what is embedded.

        Args:
            views: (B, 2, C, *spatial), two views of each scan.
            batch: the facts about these scans.
            small: (B, S, C, *smaller), further views of smaller fields, for methods with `multi_crop`.
        """
        return self.compare(self.embed_all(views, small), batch)

    def embed_all(self, views: Tensor, small: Tensor | None) -> Tensor:
        """Embed views, and small ones behind them where there are any."""
        large = self.embed(views)
        return large if small is None else torch.cat([large, self.embed(small)], dim=1)

    def on_step_end(self, progress: float) -> None:
        """Do what follows an optimizer step, with `progress` in [0, 1] of all steps once it is counted."""

    def forward(self, views: Tensor, batch: Batch, small: Tensor | None = None) -> dict[str, Tensor]:
        """Return `loss(...)`: wrappers such as DistributedDataParallel call a module, not its methods."""
        return self.loss(views, batch, small)


class ExpanderConfig(Config):
    """What the methods share that compare the dimensions of a wide embedding."""

    dimensions: PositiveInt = 1024
    """Width of all three projector layers; 8192 in the papers, 1024 to 2048 for small data."""
    scale: PositiveFloat = 0.1
    """Factor on the loss, so that SGD takes the learning rate of the other methods; 1 in the papers."""


class Expander(Method):
    """A method whose projector has three equally wide layers, the last one bare and without bias."""

    def __init__(self, config: ExpanderConfig, encoder: nn.Module) -> None:
        super().__init__(encoder)
        self.projector = mlp([self.feature_size, *[config.dimensions] * 3], last_bias=False)

    def embed(self, views: Tensor) -> Tensor:
        """Project one view after the other, as the papers do."""
        return encode_apart(nn.Sequential(self.encoder, self.projector), views)


def encode_together(network: Callable[[Tensor], Tensor], views: Tensor) -> Tensor:
    """Map views (B, V, C, *spatial) to (B, V, D) in one forward pass: BN sees all views at once."""
    return network(views.flatten(0, 1)).unflatten(0, views.shape[:2])


def encode_apart(network: Callable[[Tensor], Tensor], views: Tensor) -> Tensor:
    """Map views (B, V, C, *spatial) to (B, V, D) in V forward passes: BN sees one view at a time."""
    return torch.stack([network(view) for view in views.unbind(1)], dim=1)
