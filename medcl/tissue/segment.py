"""Segmentation: a U-Net whose way down is the encoder under test, learned on windows with their masks.

The encoder's stages are the skips; the way up is that of MONAI's FlexibleUNet. A window reaches `EDGES` patch
edges across at the pixel size of patches, so that the encoder is shown what it was pretrained on, with more
of the tissue round it.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np
import pandas as pd
import torch
from monai.losses import DiceCELoss
from monai.networks.nets.basic_unet import UpCat
from monai.networks.nets.flexible_unet import SegmentationHead
from monai.networks.nets.resnet import ResNetFeatures
from torch import Tensor, nn

from medcl.finetune import Images, TrainingConfig
from medcl.finetune.budgets import Labelled
from medcl.finetune.features import whole_views
from medcl.finetune.training import descend, layer_groups, spread_steps
from medcl.pretrain.encoders import Encoder, EncoderConfig
from medcl.pretrain.networks import STEMS
from medcl.store import Store
from medcl.tissue.config import PatchConfig
from medcl.tissue.patches import Patches, joined, patches_at
from medcl.views import ViewBatch
from medcl.views.masks import view_masks

EDGES = 4


class Segmenter(nn.Module):
    """Maps views (N, C, *spatial) to the log odds (N, 1, *spatial) of each pixel.

    Args:
        encoder: a ResNet, which becomes part of this.
        seed: of the weights of the way up.
    """

    def __init__(self, encoder: Encoder, seed: int) -> None:
        super().__init__()
        self.encoder = encoder
        config, dims = encoder.config, encoder.config.spatial_dims
        stages = [config.width * 2**n * encoder.feature_size // (8 * config.width) for n in range(4)]
        channels = [config.width, *stages] if config.stem == "standard" else stages
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.up = nn.ModuleList(
                UpCat(dims, below, beside, beside, ("relu", {"inplace": True}), "batch", bias=False)
                for below, beside in pairwise(reversed(channels))
            )
            self.head = SegmentationHead(dims, channels[0], 1, scale_factor=STEMS[config.stem][1])

    def forward(self, views: Tensor) -> Tensor:
        skips = self.stages(views)
        found = skips.pop()
        for up in self.up:
            found = up(found, skips.pop())
        logits: Tensor = self.head(found)
        return logits

    def stages(self, views: Tensor) -> list[Tensor]:
        """Return the encoder's features from fine to coarse, each half the resolution of the one before."""
        network = self.encoder.network
        found: list[Tensor] = ResNetFeatures.forward(network, views)
        # Without pooling the first layer and the first stage have the same resolution.
        return found[1:] if network.no_max_pool else found


def halvings(config: EncoderConfig) -> int:
    """Return the factor by which a ResNet's last stage is coarser than its views."""
    return 8 * STEMS[config.stem][1] * (2 if config.stem == "standard" else 1)


def window_images(images: Images, config: EncoderConfig) -> Images:
    """Return how windows are shown: `EDGES` times as large as patches, as far as all stages divide evenly."""
    factor = halvings(config)
    return replace(images, size=-(-EDGES * images.size // factor) * factor)


def windows_at(
    store: Store, patches: pd.DataFrame, config: PatchConfig, patch: Images, window: Images
) -> Patches:
    """Return a window round each labelled patch, in their order.

    Args:
        store: the scans.
        patches: the table of the patches, a scan's rows together.
        config: of the patches.
        patch, window: how both are shown.
    """
    edge_mm = config.edge_mm * window.size / patch.size
    parts = []
    for row, group in patches.groupby("row", sort=False):
        first, end = (np.stack(group[name].to_list()) for name in ("start", "stop"))
        centres, labels = (first + end) // 2, group["label"].to_numpy()
        parts.append(patches_at(store, int(row), centres, edge_mm, window.dims, labels))
    return joined(parts)


def train_segmenter(
    start: Segmenter,
    windows: Patches,
    known: Labelled,
    images: Images,
    config: TrainingConfig,
    seed: int,
    decay: float,
) -> tuple[Segmenter, dict[str, float]]:
    """Train with MONAI's DiceCELoss; keep the state with the least of it on the validation windows.

    Args:
        start: left as it is.
        windows: of all patients.
        known: those to train and to validate on.
        images: how windows are shown.
        config: steps, rates, trials.
        seed: of the views and their order.
        decay: by which stages learn slower, from the way up down (`TrainingConfig.layer_decay`).

    Returns:
        The network in evaluation mode, and what was chosen: `lr`, `step`, `val_loss`, and out of how many
        `trials`.
    """
    task = _Task(windows, images)
    held = spread_steps(config.steps, max(1, config.trials // len(config.learning_rates)))
    best: tuple[float, dict[str, float], dict[str, Tensor]] | None = None
    for lr in config.learning_rates:
        network = copy.deepcopy(start).requires_grad_(True).train()
        groups = layer_groups(
            nn.ModuleList([network.head, network.up]), network.encoder, config.weight_decay, lr, decay
        )
        size = min(config.batch_size, len(known.train))
        views = images.loader(windows, known.train, batch_size=size, seed=seed, draw="bag").steps(0)
        for step in descend(groups, views, config.steps, partial(task.loss, network)):
            if step in held and (loss := task.validated(network, known)) < (best[0] if best else torch.inf):
                weights = {name: value.clone() for name, value in network.state_dict().items()}
                best = loss, {"lr": lr, "step": step}, weights
    assert best is not None
    network = copy.deepcopy(start)
    network.load_state_dict(best[2])
    trials = len(held) * len(config.learning_rates)
    return network.eval(), {**best[1], "val_loss": best[0], "trials": trials}


class _Task:
    """Windows with their masks, and how far a network is from them."""

    def __init__(self, windows: Patches, images: Images) -> None:
        self.windows, self.images = windows, images
        self.criterion = DiceCELoss(sigmoid=True, batch=True)

    def loss(self, network: Segmenter, batch: ViewBatch) -> Tensor:
        """Return the loss of a batch; masks go through the same affines as the views."""
        masks = torch.stack([torch.from_numpy(mask) for mask in view_masks(self.windows, batch.params)])
        loss: Tensor = self.criterion(network(batch.data[:, 0]), (masks > 0).float())
        return loss

    @torch.inference_mode()
    def validated(self, network: Segmenter, known: Labelled) -> float:
        """Return the mean loss of the validation windows, unaugmented."""
        network.eval()
        batches = whole_views(self.windows, known.val, self.images)
        losses = [(len(batch.rows), float(self.loss(network, batch))) for batch in batches]
        network.train()
        return sum(count * loss for count, loss in losses) / len(known.val)
