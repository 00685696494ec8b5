"""Learning to segment: windows of the scans with their masks, and a network that is chosen on validation.

A window is `EDGES` patches across at the pixel size of patches: the encoder is shown what it was pretrained
on, with more of the tissue round it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd
import torch
from monai.losses import DiceCELoss
from torch import Tensor, nn

from medcl.errors import UsageError, WorkFailed
from medcl.finetune import Images, TrainingConfig
from medcl.finetune.budgets import Labeled
from medcl.finetune.features import whole_views
from medcl.finetune.training import evaluation_steps, layer_groups, train_steps
from medcl.pretrain.networks.encoders import EncoderConfig
from medcl.store import Store
from medcl.tissue.config import PatchConfig
from medcl.tissue.patches import Patches, joined, patches_at
from medcl.tissue.unet import Segmenter, total_stride
from medcl.views import ViewBatch
from medcl.views.masks import view_masks
from medcl.views.sampling.scan_geometry import coarsest_axis

EDGES = 4


def window_images(images: Images, config: EncoderConfig) -> Images:
    """Return how windows are shown: `EDGES` times as large as patches, or the next size that every stage
    halves evenly.
    """
    step = total_stride(config)
    return replace(images, size=-(-EDGES * images.size // step) * step)


def check_windows(store: Store, rows: Iterable[int], config: PatchConfig, patch: Images, size: int) -> None:
    """Refuse scans that are smaller than a window: it would be shown magnified, and a map is not.

    Args:
        store, rows: the scans.
        config: of the patches.
        patch: how patches are shown.
        size: pixels across a window.

    Raises:
        UsageError: naming the scan.
    """
    edge_mm = config.edge_mm * size / patch.size
    for row in map(int, rows):
        affine = store.affine(row)
        assert affine is not None, "scans without one have no mask"
        along = np.linalg.norm(affine[:3, :3], axis=0)
        extent = along * store.array(row).shape
        across = np.delete(extent, coarsest_axis(along)).max() if patch.dims == 2 else extent.min()
        if edge_mm > across + along.max():
            raise UsageError(
                f"scan {store.scans['scan'].iat[row]} is {across:.0f} mm across, less than the windows of "
                f"{edge_mm:.0f} mm that segmenting arms learn on; lower patches.edge_mm or leave them out"
            )


def windows_at(
    store: Store, patches: pd.DataFrame, config: PatchConfig, patch: Images, window: Images
) -> Patches:
    """Return a window round each labeled patch, in their order.

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
        centers, labels = (first + end) // 2, group["label"].to_numpy()
        parts.append(patches_at(store, int(row), centers, edge_mm, window.dims, labels))
    return joined(parts)


def train_segmenter(
    start: Segmenter,
    windows: Patches,
    known: Labeled,
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
        config: steps, rates, candidates.
        seed: of the views and their order.
        decay: by which stages learn slower, from the way up down (`TrainingConfig.layer_decay`).

    Returns:
        The network in evaluation mode, and what was chosen: `lr`, `step`, `val_loss`, and out of how many
        `candidates`.

    Raises:
        WorkFailed: no loss is a number.
    """
    task, best = _Task(windows, known, images), None
    times = max(1, config.candidates // len(config.learning_rates))
    for lr in config.learning_rates:
        for state in _states(start, task, config, lr, times, seed, decay):
            if state.loss < (best.loss if best else np.inf):
                best = state
    if best is None:
        raise WorkFailed("segmentation: the loss is never finite; lower training.learning_rates")
    network = copy.deepcopy(start)
    network.load_state_dict(best.weights)
    candidates = len(evaluation_steps(config.steps, times)) * len(config.learning_rates)
    return network.eval(), {"lr": best.lr, "step": best.step, "val_loss": best.loss, "candidates": candidates}


@dataclass(frozen=True)
class _State:
    loss: float
    """Of the validation windows."""
    lr: float
    step: int
    weights: dict[str, Tensor]


def _states(
    start: Segmenter,
    task: _Task,
    config: TrainingConfig,
    lr: float,
    times: int,
    seed: int,
    decay: float,
) -> Iterator[_State]:
    """Train once, yielding the states that are held against the validation windows."""
    network = copy.deepcopy(start).requires_grad_(True).train()
    on_top = nn.ModuleList([network.head, network.up])
    groups = layer_groups(on_top, network.encoder, config.weight_decay, lr, decay)
    held = evaluation_steps(config.steps, times)
    for step in train_steps(
        groups, task.batches(config.batch_size, seed), config.steps, partial(task.loss, network)
    ):
        if step in held:
            weights = {name: value.clone() for name, value in network.state_dict().items()}
            yield _State(task.validated(network), lr, step, weights)


class _Task:
    """Windows with their masks, and how far a network is from them."""

    def __init__(self, windows: Patches, known: Labeled, images: Images) -> None:
        self.windows, self.known, self.images = windows, known, images
        self.criterion = DiceCELoss(sigmoid=True, batch=True)

    def batches(self, batch_size: int, seed: int) -> Iterator[ViewBatch]:
        """Yield shuffled batches of augmented training windows, epoch after epoch."""
        rows = self.known.train
        size = min(batch_size, len(rows))
        return self.images.loader(self.windows, rows, batch_size=size, seed=seed, draw="bag").steps(0)

    def loss(self, network: Segmenter, batch: ViewBatch) -> Tensor:
        """Return the loss of a batch; masks go through the same affines as the views."""
        masks = torch.stack([torch.from_numpy(mask) for mask in view_masks(self.windows, batch.params)])
        loss: Tensor = self.criterion(network(batch.data[:, 0]), (masks > 0).float())
        return loss

    @torch.inference_mode()
    def validated(self, network: Segmenter) -> float:
        """Return the mean loss of the validation windows, unaugmented."""
        network.eval()
        batches = whole_views(self.windows, self.known.val, self.images)
        losses = [(len(batch.rows), float(self.loss(network, batch))) for batch in batches]
        network.train()
        return sum(count * loss for count, loss in losses) / len(self.known.val)
