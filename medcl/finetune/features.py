"""Frozen features: what an encoder says of whole, unaugmented scans."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from medcl.pretrain.encoders import Encoder
from medcl.store import Store
from medcl.views import Policy, ViewLoader


def pool_slices(features: Tensor) -> Tensor:
    """Pool the slices of a scan, (B, K, F) to (B, F): the maximum over slices, since one suffices to see a lesion."""
    return features.amax(dim=1)


def encode(encoder: torch.nn.Module, views: Tensor) -> Tensor:
    """Encode a bag of slices a scan, (B, K, C, H, W) to (B, F)."""
    bags, slices = views.shape[:2]
    features = encoder(views.flatten(0, 1)).unflatten(0, (bags, slices))
    return pool_slices(features)


@torch.inference_mode()
def extract_features(
    encoder: Encoder, store: Store, rows: Sequence[int], policy: Policy, size: int, slices: int
) -> np.ndarray:
    """Return features (n, F) float32 of `rows`, in their order.

    Args:
        encoder: put into evaluation mode for the call.
        store: the scans.
        rows: row numbers of the store.
        policy: whose window and field of view are applied, without augmentation.
        size: edge of the view in pixels.
        slices: slices that stand for a volume.
    """
    trained, _ = encoder.training, encoder.eval()
    loader = whole_views(store, rows, policy, size, slices)
    features = [encode(encoder, batch.data).float() for batch in loader]
    encoder.train(trained)
    return torch.cat(features).numpy()


def whole_views(
    store: Store, rows: Sequence[int], policy: Policy, size: int, slices: int, batch_size: int = 256
) -> ViewLoader:
    """Return a loader of unaugmented whole scans, in order."""
    return ViewLoader(
        store,
        rows,
        policy,
        size=size,
        batch_size=max(1, batch_size // slices),
        seed=0,
        draw="whole",
        count=slices,
        shuffle=False,
        drop_last=False,
    )
