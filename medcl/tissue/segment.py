"""Training a network to segment regions of the scans with their masks, selected on validation."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from monai.losses import DiceCELoss
from torch import Tensor, nn

from medcl.finetune import Images, LabeledScans, TrainingConfig, whole_views
from medcl.finetune.training import TrainingRun, Validation, layer_groups, train_and_select
from medcl.tissue.patches import Patches
from medcl.tissue.unet import Segmenter
from medcl.views import ViewBatch, view_masks


def train_segmenter(
    start: Segmenter,
    regions: Patches,
    labeled: LabeledScans,
    images: Images,
    config: TrainingConfig,
    seed: int,
    layer_decay: float,
) -> tuple[Segmenter, dict[str, float]]:
    """Train with MONAI's DiceCELoss; keep the state with the least loss on the validation regions.

    Args:
        start: The network to start from, which is copied.
        regions: Regions of all patients.
        labeled: Regions to train and to validate on.
        images: How regions are shown.
        config: Steps, learning rates, candidates.
        seed: Random seed of the views and their order.
        layer_decay: Factor by which each stage learns slower than the one above it, the decoder first.

    Returns:
        The network in evaluation mode, and what was selected: `lr`, `step`, `val_loss`, and among how many
        `candidates`.

    Raises:
        WorkFailed: The validation loss is never finite.
    """
    task = _SegmentationTask(regions, labeled, images)

    def start_run(lr: float) -> TrainingRun:
        network = copy.deepcopy(start).requires_grad_(True).train()
        decoder = nn.ModuleList([network.head, network.up])
        return TrainingRun(
            network=network,
            groups=layer_groups(decoder, network.encoder, config.weight_decay, lr, layer_decay),
            batches=task.batches(config.batch_size, seed),
            loss=lambda batch: task.loss(network, batch),
            validate=lambda: task.validate(network),
        )

    evaluations = max(1, config.candidates // len(config.learning_rates))
    best, compared = train_and_select(start_run, config.learning_rates, config.steps, evaluations)
    network = copy.deepcopy(start)
    network.load_state_dict(best.weights)
    selected = {"lr": best.lr, "step": best.step, "val_loss": -best.validation.score[0]}
    return network.eval(), {**selected, "candidates": compared}


class _SegmentationTask:
    """Regions with their masks, and the loss of a network on them."""

    def __init__(self, regions: Patches, labeled: LabeledScans, images: Images) -> None:
        self.regions, self.labeled, self.images = regions, labeled, images
        self.criterion = DiceCELoss(sigmoid=True, batch=True)

    def batches(self, batch_size: int, seed: int) -> Iterator[ViewBatch]:
        """Yield shuffled batches of augmented training regions, epoch after epoch."""
        rows = self.labeled.train
        size = min(batch_size, len(rows))
        return self.images.loader(self.regions, rows, batch_size=size, seed=seed, draw="bag").steps(0)

    def loss(self, network: Segmenter, batch: ViewBatch) -> Tensor:
        """Return the loss of a batch; masks are resampled by the same affines as the views."""
        masks = torch.stack([torch.from_numpy(mask) for mask in view_masks(self.regions, batch.params)])
        loss: Tensor = self.criterion(network(batch.data[:, 0]), (masks > 0).float())
        return loss

    @torch.inference_mode()
    def validate(self, network: Segmenter) -> Validation:
        """Score a network by its negative mean loss on the validation regions, unaugmented."""
        network.eval()
        batches = whole_views(self.regions, self.labeled.val, self.images)
        losses = [(len(batch.rows), float(self.loss(network, batch))) for batch in batches]
        network.train()
        return Validation((-sum(count * loss for count, loss in losses) / len(self.labeled.val),))
