"""Frozen features: what an encoder says of whole, unaugmented scans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from medcl.pretrain.encoders import Encoder
from medcl.store import Store
from medcl.views import Policy, ViewLoader
from medcl.views.frames import ScanSource


@dataclass(frozen=True)
class Images:
    """How scans are shown to a network: the policy, the view's edge in pixels, the views a scan, and whether
    those of a volume are slices (2) or volumes themselves (3)."""

    policy: Policy
    size: int
    slices: int
    dims: Literal[2, 3] = 2


def pool_slices(features: Tensor) -> Tensor:
    """Pool slices, (B, K, F) to (B, F), by the maximum: one slice suffices to see a lesion."""
    return features.amax(dim=1)


def encode(encoder: torch.nn.Module, views: Tensor) -> Tensor:
    """Encode a bag of slices a scan, (B, K, C, H, W) to (B, F)."""
    bags, slices = views.shape[:2]
    features = encoder(views.flatten(0, 1)).unflatten(0, (bags, slices))
    return pool_slices(features)


@torch.inference_mode()
def extract_features(
    encoder: Encoder, store: Store, images: Images, rows: Sequence[int] | np.ndarray | None = None
) -> np.ndarray:
    """Return features (n, F) float32 of `rows` of the store, in their order; of all when not given."""
    training = encoder.training
    encoder.eval()
    loader = whole_views(store, range(len(store)) if rows is None else rows, images)
    features = [encode(encoder, batch.data).float() for batch in loader]
    encoder.train(training)
    return torch.cat(features).numpy()


def whole_views(
    store: ScanSource, rows: Sequence[int] | np.ndarray, images: Images, batch_size: int = 256
) -> ViewLoader:
    """Return a loader of unaugmented whole scans, in order; `batch_size` counts slices."""
    return ViewLoader(
        store,
        rows,
        images.policy,
        size=images.size,
        batch_size=max(1, batch_size // images.slices),
        seed=0,
        draw="whole",
        count=images.slices,
        shuffle=False,
        drop_last=False,
        dims=images.dims,
    )
