"""The arms of a study of tissue: what each learns in a fold, and the map that it then makes of a scan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from medcl.finetune import Images
from medcl.finetune.arms.base import ArmContext
from medcl.finetune.arms.registry import arm_names
from medcl.pretrain import load_encoder
from medcl.pretrain.networks.encoders import Encoder, build_encoder
from medcl.store import Store
from medcl.tissue.canvas import Canvas
from medcl.tissue.config import SEGMENT, TissueConfig
from medcl.tissue.folds import Fold, task_of
from medcl.tissue.maps import DenseViews
from medcl.tissue.segment import check_windows, train_segmenter, window_images, windows_at
from medcl.tissue.unet import Segmenter

Learned = tuple[Callable[[int], np.ndarray], dict[str, Any]]
"""What maps a row of the store to probabilities (I, J, K), and what was chosen on validation."""


@dataclass(frozen=True)
class TissueStudy:
    """What all cells share.

    Attributes:
        store: the scans.
        rows: of the scans that have a mask.
        labeled: patches of both classes.
        unlabeled: patches for pretraining.
        out: folder of the study.
    """

    config: TissueConfig
    store: Store
    rows: np.ndarray
    labeled: Store
    unlabeled: Store
    out: Path

    @property
    def images(self) -> Images:
        """How patches are shown."""
        views = self.config.views.model_copy(update={"slices": 1})
        return Images.of(views, self.config.pretrain.encoder)

    @property
    def windows(self) -> Images:
        """How windows are shown."""
        return window_images(self.images, self.config.pretrain.encoder)

    def check(self) -> None:
        """Find what arms would stumble over, before any is trained.

        Raises:
            UsageError: a scan is too small for the arms that segment.
        """
        if any(arm.endswith(SEGMENT) for arm in self.config.arms):
            check_windows(self.store, self.rows, self.config.patches, self.images, self.windows.size)

    def rows_of(self, patient: str) -> list[int]:
        """Return the rows of a patient's scans."""
        return [int(row) for row in self.rows if self.store.scans["patient"].iat[row] == patient]

    def folder(self, fold: Fold) -> Path:
        """Return where the cells of a fold are kept."""
        return self.out / "folds" / fold.test


class FoldTrainer:
    """What the arms of one fold learn from and are tried on.

    Attributes:
        rows: of the store that are mapped, with the split of each: `val` or `test`.
    """

    def __init__(self, place: TissueStudy, fold: Fold) -> None:
        self.place, self.fold = place, fold
        sides = (("val", fold.val), ("test", fold.test))
        self.rows = {row: split for split, patient in sides for row in place.rows_of(patient)}

    def learned(self, arm: str, budget: int) -> Learned:
        """Train an arm with the masks of the fold's first `budget` patients."""
        learn = self._segmenter if arm.endswith(SEGMENT) else self._classifier
        return learn(arm, budget)

    def _classifier(self, arm: str, budget: int) -> Learned:
        """Learn from patches, by an arm of `medcl.finetune`."""
        config = self.place.config
        task, labeled = task_of(self.place.labeled, self.fold, budget)
        context = ArmContext(
            task, self.place.images, config.training, self._pretrained, config.pretrain.encoder
        )
        outcome = arm_names(config.pretrain.method.name)[arm](context, labeled, config.seed, labeled.val)
        classifier = outcome.classifier
        assert classifier is not None, "see TissueConfig"
        return lambda row: self._views[row].map(classifier), outcome.chosen

    def _segmenter(self, arm: str, budget: int) -> Learned:
        """Learn from windows round the same patches, on the pretrained encoder or on a random one."""
        config, network = self.place.config, self.place.config.pretrain.encoder
        task, labeled = task_of(self.place.labeled, self.fold, budget)
        images = self.place.windows
        windows = windows_at(self.place.store, task.store.scans, config.patches, self.place.images, images)
        fresh = arm == "supervised" + SEGMENT
        encoder = build_encoder(network, config.seed) if fresh else self._pretrained
        decay = 1.0 if fresh else config.training.layer_decay
        segmenter, chosen = train_segmenter(
            Segmenter(encoder, config.seed), windows, labeled, images, config.training, config.seed, decay
        )
        return lambda row: self._canvases[row].map(segmenter, images.size), chosen

    @property
    def _pretrained(self) -> Encoder:
        return load_encoder(self.place.folder(self.fold) / "pretrain")

    @cached_property
    def _views(self) -> dict[int, DenseViews]:
        place = self.place
        return {row: DenseViews.of(place.store, row, place.config.patches, place.images) for row in self.rows}

    @cached_property
    def _canvases(self) -> dict[int, Canvas]:
        place = self.place
        pixel_mm = place.config.patches.edge_mm / place.images.size
        return {row: Canvas.of(place.store, row, pixel_mm, place.images) for row in self.rows}
