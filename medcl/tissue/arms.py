"""The arms of a tissue study: what each learns in a fold, and the map that it then makes of a scan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from medcl.finetune import ArmContext, Images, find_arms
from medcl.names import SUPERVISED
from medcl.pretrain import Encoder, build_encoder, load_encoder
from medcl.store import Store
from medcl.tissue.config import SEGMENT, TissueConfig
from medcl.tissue.folds import Fold, fold_task
from medcl.tissue.maps import DenseViews
from medcl.tissue.regions import check_regions, region_images, regions_at
from medcl.tissue.segment import train_segmenter
from medcl.tissue.sliding_window import WholeScan
from medcl.tissue.unet import Segmenter


@dataclass(frozen=True)
class TissueStudy:
    """Configuration, data and folder shared by all experiment cells of a tissue study.

    Attributes:
        config: Configuration of the study.
        store: The scans.
        rows: Rows of the scans that have a mask.
        labeled: Patches of both classes.
        unlabeled: Patches for pretraining.
        out: Folder of the study.
    """

    config: TissueConfig
    store: Store
    rows: np.ndarray
    labeled: Store
    unlabeled: Store
    out: Path

    @property
    def images(self) -> Images:
        """Presentation of patches to the network."""
        views = self.config.views.model_copy(update={"slices": 1})
        return Images.of(views, self.config.pretrain.encoder)

    @property
    def regions(self) -> Images:
        """Presentation of regions to the network."""
        return region_images(self.images, self.config.pretrain.encoder)

    def check(self) -> None:
        """Check that every arm can learn from the scans, before any is trained.

        Raises:
            UsageError: A scan is too small for the arms that segment.
        """
        if any(arm.endswith(SEGMENT) for arm in self.config.arms):
            check_regions(self.store, self.rows, self.config.patches, self.images, self.regions.size)

    def rows_of(self, patient: str) -> list[int]:
        """Return the rows of a patient's scans."""
        return [int(row) for row in self.rows if self.store.scans["patient"].iat[row] == patient]

    def folder(self, fold: Fold) -> Path:
        """Return the folder of a fold."""
        return self.out / "folds" / fold.test


@dataclass(frozen=True)
class TrainedArm:
    """An arm after training in one fold.

    Attributes:
        map_scan: Maps a row of the store to the probability (I, J, K) that each voxel is abnormal.
        selected: What was selected on the validation patient, by name.
    """

    map_scan: Callable[[int], np.ndarray]
    selected: dict[str, Any]


class FoldTrainer:
    """Trains the arms of one fold.

    Attributes:
        rows: Rows of the store to map, with the split of each: `val` or `test`.
    """

    def __init__(self, study: TissueStudy, fold: Fold) -> None:
        self.study, self.fold = study, fold
        patients = (("val", fold.val), ("test", fold.test))
        self.rows = {row: split for split, patient in patients for row in study.rows_of(patient)}

    def train(self, arm: str, budget: int) -> TrainedArm:
        """Train an arm with the masks of the fold's first `budget` training patients."""
        train = self._train_segmenter if arm.endswith(SEGMENT) else self._train_classifier
        return train(arm, budget)

    def _train_classifier(self, arm: str, budget: int) -> TrainedArm:
        """Train on patches, by an arm of `medcl.finetune`."""
        config = self.study.config
        task, labeled = fold_task(self.study.labeled, self.fold, budget)
        context = ArmContext(
            task, self.study.images, config.training, self._pretrained, config.pretrain.encoder
        )
        run = find_arms([arm], config.pretrain.method.name)[arm].run
        result = run(context, labeled, config.seed, labeled.val)
        classifier = result.classifier
        assert classifier is not None, "TissueConfig allows only arms that end in a network"
        return TrainedArm(lambda row: self._views[row].map(classifier), result.selected)

    def _train_segmenter(self, arm: str, budget: int) -> TrainedArm:
        """Train on regions around the same patches, from the pretrained encoder or from a random one."""
        config, network = self.study.config, self.study.config.pretrain.encoder
        task, labeled = fold_task(self.study.labeled, self.fold, budget)
        images = self.study.regions
        regions = regions_at(self.study.store, task.store.scans, config.patches, self.study.images, images)
        from_random = arm == SUPERVISED + SEGMENT
        encoder = build_encoder(network, config.seed) if from_random else self._pretrained
        layer_decay = 1.0 if from_random else config.training.layer_decay
        segmenter, selected = train_segmenter(
            Segmenter(encoder, config.seed),
            regions,
            labeled,
            images,
            config.training,
            config.seed,
            layer_decay,
        )
        return TrainedArm(lambda row: self._whole_scans[row].map(segmenter, images.size), selected)

    @property
    def _pretrained(self) -> Encoder:
        return load_encoder(self.study.folder(self.fold) / "pretrain")

    @cached_property
    def _views(self) -> dict[int, DenseViews]:
        study = self.study
        return {row: DenseViews.of(study.store, row, study.config.patches, study.images) for row in self.rows}

    @cached_property
    def _whole_scans(self) -> dict[int, WholeScan]:
        study = self.study
        pixel_mm = study.config.patches.edge_mm / study.images.size
        return {row: WholeScan.of(study.store, row, pixel_mm, study.images) for row in self.rows}
