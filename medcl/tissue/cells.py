"""The cells of a study of tissue: arm by budget by test patient, each computed once and written whole."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medcl.files import atomic, read_json, write_json
from medcl.finetune import Images
from medcl.finetune.arms import Bench, Outcome, arm_names
from medcl.pretrain import PretrainConfig, load_encoder, pretrain
from medcl.store import Store
from medcl.tissue.config import TissueConfig
from medcl.tissue.files import save_map
from medcl.tissue.folds import Fold, fold_store, task_of
from medcl.tissue.maps import DenseViews


@dataclass(frozen=True)
class Workplace:
    """What all cells share.

    Attributes:
        store: the scans.
        rows: of the scans that have a mask.
        labelled: patches of both classes.
        unlabelled: patches for pretraining.
        out: folder of the study.
    """

    config: TissueConfig
    store: Store
    rows: np.ndarray
    labelled: Store
    unlabelled: Store
    out: Path

    @property
    def images(self) -> Images:
        """How patches are shown."""
        views = self.config.views.model_copy(update={"slices": 1})
        return Images.of(views, self.config.pretrain.encoder)

    def rows_of(self, patient: str) -> list[int]:
        """Return the rows of a patient's scans."""
        return [int(row) for row in self.rows if self.store.scans["patient"].iat[row] == patient]

    def folder(self, fold: Fold) -> Path:
        """Return where the cells of a fold are kept."""
        return self.out / "folds" / fold.test


def run_fold(place: Workplace, fold: Fold) -> Iterator[dict[str, Any]]:
    """Pretrain without the test patient, then compute the cells that are not there yet.

    Yields:
        What `cell.json` of each cell says: arm, budget, seconds, what was chosen, and its maps.
    """
    config, folder = place.config, place.folder(fold)
    cells = [(arm, budget, folder / f"{arm}_{budget}") for budget in config.budgets for arm in config.arms]
    missing = [cell for cell in cells if not cell[2].is_dir()]
    if missing:
        _pretrained(place, fold)
    views = _dense_views(place, fold) if missing else {}
    for arm, budget, target in cells:
        if not target.is_dir():
            _compute(place, fold, arm, budget, views, target)
        yield read_json(target / "cell.json")


def _pretrained(place: Workplace, fold: Fold) -> None:
    run, config = place.folder(fold) / "pretrain", place.config
    if (run / "summary.json").is_file():
        return
    store = fold_store(
        place.unlabelled, place.unlabelled.scans["owner"], fold, place.folder(fold) / "patches"
    )
    told = PretrainConfig(store=store, views=config.views, **config.pretrain.model_dump())
    pretrain(told, run, resume=(run / "config.yaml").is_file())


def _dense_views(place: Workplace, fold: Fold) -> dict[int, tuple[str, DenseViews]]:
    """Cut the scans of the validation and of the test patient, with the split of each."""
    return {
        row: (split, DenseViews.of(place.store, row, place.config.patches, place.images))
        for split, patient in (("val", fold.val), ("test", fold.test))
        for row in place.rows_of(patient)
    }


def _compute(
    place: Workplace,
    fold: Fold,
    arm: str,
    budget: int,
    views: dict[int, tuple[str, DenseViews]],
    target: Path,
) -> None:
    """Train one arm and write its maps of the validation and the test scans."""
    config, begun = place.config, time.monotonic()
    outcome = _fitted(place, fold, arm, budget)
    trained = time.monotonic()
    scans = place.store.scans["scan"]
    with atomic(target) as folder:
        folder.mkdir(parents=True)
        maps = []
        for row, (split, dense) in views.items():
            assert outcome.classifier is not None, "see TissueConfig"
            affine = place.store.affine(row)
            assert affine is not None
            save_map(dense.map(outcome.classifier), affine, folder / f"{split}-{scans.iat[row]}.nii.gz")
            maps.append({"scan": scans.iat[row], "split": split})
        told = {
            "arm": arm,
            "budget": budget,
            "patient": fold.test,
            "seed": config.seed,
            "train_seconds": round(trained - begun, 2),
            "map_seconds": round((time.monotonic() - trained) / len(maps), 2),
            "chosen": {name: float(value) for name, value in outcome.chosen.items()},
            "maps": maps,
        }
        write_json(told, folder / "cell.json")


def _fitted(place: Workplace, fold: Fold, arm: str, budget: int) -> Outcome:
    """Return what an arm of `medcl.finetune` comes to on the patches whose labels it may know."""
    config = place.config
    task, labelled = task_of(place.labelled, fold, budget)
    bench = Bench(
        task=task,
        images=place.images,
        training=config.training,
        pretrained=load_encoder(place.folder(fold) / "pretrain"),
        network=config.pretrain.encoder,
    )
    chosen = arm_names(config.pretrain.method.name)[arm]
    return chosen(bench, labelled, config.seed, labelled.val)


def map_files(cells: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a row a map: arm, budget, patient, split, scan, and its file."""
    keys = ("arm", "budget", "patient", "seed", "train_seconds", "map_seconds")
    return [
        {
            **{key: cell[key] for key in keys},
            **made,
            "file": map_path(cell["patient"], cell["arm"], cell["budget"], **made),
        }
        for cell in cells
        for made in cell["maps"]
    ]


def map_path(patient: str, arm: str, budget: int, split: str, scan: str) -> str:
    """Return where a map lies in the folder of a study."""
    return f"folds/{patient}/{arm}_{budget}/{split}-{scan}.nii.gz"
