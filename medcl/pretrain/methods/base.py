"""Interface of a contrastive method: its configuration, its loss, and the batch that it sees."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, NamedTuple, Self

import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn

from medcl.config import Config
from medcl.pretrain.methods.method_cost import MethodCost
from medcl.pretrain.networks import mlp


class MethodConfig(Config, ABC):
    """Configuration of a contrastive method, and what can be known of it before it is built."""

    multi_crop: ClassVar[bool] = False
    """Whether the method takes further, smaller views (see `Method.loss`)."""

    name: str
    """Each method narrows it to a literal with a default."""

    @abstractmethod
    def cost(self, batch_size: int, processes: int) -> MethodCost:
        """Return the memory and traffic of the method's loss in one of `processes`.

        Args:
            batch_size: Scans per step over all processes.
            processes: Number W of processes, one per GPU.
        """

    def small_view_bytes(self, scans: int, small_views: int) -> int:
        """Return the memory that small views (multi-crop) take in the loss of one process.

        Args:
            scans: Scans per step of this process.
            small_views: Small views per scan.
        """
        return 0

    def limited(self, scans: int, batch_size: int) -> Self:
        """Return the configuration with settings lowered to what a data set of `scans` allows.

        Args:
            scans: Size N of the data set.
            batch_size: Scans B per step over all processes.
        """
        return self


class Batch(NamedTuple):
    """Scans and patients of the batch of this process (B scans), and the progress of training, for losses.

    A named tuple, because Lightning Fabric refuses frozen dataclasses as inputs of a module.

    Attributes:
        scan: Scan number (B,), int64 >= 0, equal for scans with the same pixels.
        patient: Patient number (B,), int64 >= 0, or None when every scan counts as its own patient. Must be
            given when the two views are of two scans of one patient (MICLe, Azizi et al. 2021), and keeps the
            other pairs of that patient from being negatives.
        step: Optimizer steps already taken.
        epoch: Passes over the data already completed.
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
    network, and the one that is saved, evaluated and exported; everything else serves its training.

    A loss has two parts: `embed` sees one scan at a time (except for batch norm), and `compare` sees all
    embeddings of the batch, so that gradients can be cached (see `gradient_cache`).

    Args:
        config: Configuration of the method.
        encoder: Network to train.
    """

    config: MethodConfig

    def __init__(self, config: MethodConfig, encoder: nn.Module) -> None:
        super().__init__()
        self.config = config
        self.encoder = encoder

    @property
    def feature_size(self) -> int:
        """Length F of the encoder's features."""
        return int(self.encoder.feature_size)  # type: ignore[arg-type]

    @abstractmethod
    def embed(self, views: Tensor) -> Tensor:
        """Map views (B, V, C, *spatial) to embeddings (B, M, D), with M and D of the method's choice."""

    @abstractmethod
    def compare(self, embeddings: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return "loss", to call backward on, and its parts without gradient.

        In W processes each returns its share; the mean of the shares is the loss of the whole batch.

        Args:
            embeddings: (B, M, D) of the whole batch of this process; large views first, then small ones.
            batch: Identities of the scans, step and epoch.
        """

    def loss(self, views: Tensor, batch: Batch, small: Tensor | None = None) -> dict[str, Tensor]:
        """Embed the views and compare the embeddings.

        Args:
            views: (B, 2, C, *spatial), two views of each scan.
            batch: Identities of the scans, step and epoch.
            small: (B, S, C, *smaller), further views of smaller fields, for methods with `multi_crop`.
        """
        return self.compare(self.embed_all(views, small), batch)

    def embed_all(self, views: Tensor, small: Tensor | None) -> Tensor:
        """Return the embeddings of the views, followed by those of small views where there are any."""
        large = self.embed(views)
        return large if small is None else torch.cat([large, self.embed(small)], dim=1)

    def on_step_end(self, progress: float) -> None:
        """Update what follows an optimizer step, such as a momentum network.

        Args:
            progress: Share of all steps that have been taken, this one included; in [0, 1].
        """

    def forward(self, views: Tensor, batch: Batch, small: Tensor | None = None) -> dict[str, Tensor]:
        """Return `loss(...)`: wrappers such as DistributedDataParallel call a module, not its methods."""
        return self.loss(views, batch, small)


class ExpanderConfig(MethodConfig):
    """Configuration shared by methods that compare the dimensions of a wide embedding."""

    dimensions: PositiveInt = 1024
    """Width of all three projector layers; 8192 in the papers, 1024 to 2048 for small data."""
    scale: PositiveFloat = 0.1
    """Factor on the loss, so that SGD takes the learning rate of the other methods; 1 in the papers."""


class Expander(Method):
    """A method whose projector has three equally wide layers, the last one bare and without bias."""

    def __init__(self, config: ExpanderConfig, encoder: nn.Module) -> None:
        super().__init__(config, encoder)
        self.projector = mlp([self.feature_size, *[config.dimensions] * 3], last_bias=False)

    def embed(self, views: Tensor) -> Tensor:
        """Project one view after the other, as the papers do."""
        return encode_separately(nn.Sequential(self.encoder, self.projector), views)


def encode_together(network: Callable[[Tensor], Tensor], views: Tensor) -> Tensor:
    """Map views (B, V, C, *spatial) to (B, V, D) in one forward pass: batch norm sees all views at once."""
    embeddings: Tensor = network(views.flatten(0, 1)).unflatten(0, views.shape[:2])
    return embeddings


def encode_separately(network: Callable[[Tensor], Tensor], views: Tensor) -> Tensor:
    """Map views (B, V, C, *spatial) to (B, V, D) in V forward passes: batch norm sees one view at a time."""
    return torch.stack([network(view) for view in views.unbind(1)], dim=1)
