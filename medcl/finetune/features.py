"""Frozen features of whole, unaugmented scans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from medcl.finetune.pooling import Pooling, build_pooling
from medcl.pretrain import Encoder, EncoderConfig, ViewsConfig, stack_size
from medcl.store import Store
from medcl.views import Policy, ScanSource, ViewLoader, load_policy


@dataclass(frozen=True)
class Images:
    """Presentation of scans to a network.

    Attributes:
        policy: View policy.
        size: Edge of a view in pixels.
        slices: Slices per volume, where views are slices.
        dims: 2 for images and slices, 3 for whole volumes.
        channels: Channels of a view, if not the policy's: an odd number of neighboring slices (2.5-D).
    """

    policy: Policy
    size: int
    slices: int
    dims: Literal[2, 3] = 2
    channels: int | None = None

    @classmethod
    def of(cls, views: ViewsConfig, encoder: EncoderConfig) -> Images:
        """Return how a study shows scans to its encoder."""
        policy = load_policy(views.policy, views.variant)
        return cls(policy, views.size_px, views.slices, encoder.spatial_dims, encoder.in_channels)

    def plain(self) -> Images:
        """Return the same policy and size with single slices, whatever the encoder takes."""
        return replace(self, dims=2, channels=None)

    @property
    def volumes_only(self) -> bool:
        """Whether 2-D images cannot be shown this way."""
        return self.dims == 3 or self.channels not in (None, self.policy.channels)

    def loader(self, store: ScanSource, rows: Sequence[int] | np.ndarray, **options: Any) -> ViewLoader:
        """Return a loader of `rows`.

        Args:
            store: The scans.
            rows: Rows of the store.
            **options: Further arguments of `ViewLoader`.

        Raises:
            UsageError: The encoder takes volumes, and a scan is a 2-D image.
        """
        kinds = store.scans["kind"].iloc[np.asarray(rows, int)]
        channels = self.policy.channels if self.channels is None else self.channels
        options["count"] = self.slices if self.dims == 2 else 1
        options["stack"] = stack_size(channels, self.dims, self.policy, kinds)
        return ViewLoader(store, rows, self.policy, size=self.size, dims=self.dims, **options)


def encode(encoder: torch.nn.Module, views: Tensor) -> Tensor:
    """Encode K slices per scan, (B, K, C, *spatial) to (B, K, F)."""
    features: Tensor = encoder(views.flatten(0, 1)).unflatten(0, views.shape[:2])
    return features


@torch.inference_mode()
def extract_features(
    encoder: Encoder,
    store: Store,
    images: Images,
    rows: Sequence[int] | np.ndarray | None = None,
    pooling: Pooling = "max",
) -> np.ndarray:
    """Return features (n, F) float32 of `rows` of the store, in their order; of all rows by default.

    Slices are pooled as a new `Classifier` pools them before it is trained.
    """
    training, pool = encoder.training, build_pooling(pooling, encoder.feature_size, seed=0)
    encoder.eval()
    loader = whole_views(store, range(len(store)) if rows is None else rows, images)
    features = [pool(encode(encoder, batch.data)).float() for batch in loader]
    encoder.train(training)
    return torch.cat(features).numpy()


def whole_views(
    store: ScanSource, rows: Sequence[int] | np.ndarray, images: Images, batch_size: int = 256
) -> ViewLoader:
    """Return a loader of unaugmented whole scans, in order; `batch_size` counts slices."""
    slices = images.slices if images.dims == 2 else images.size
    return images.loader(
        store,
        rows,
        batch_size=max(1, batch_size // slices),
        seed=0,
        draw="whole",
        shuffle=False,
        drop_last=False,
    )
