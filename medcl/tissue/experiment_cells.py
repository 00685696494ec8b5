"""Experiment cells of a tissue study: arm by budget by test patient, each computed once and written whole."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from medcl.config import Config, validate
from medcl.files import atomic, read_json, write_json
from medcl.pretrain import PretrainConfig, pretrain_once
from medcl.tissue.arms import FoldTrainer, TissueStudy
from medcl.tissue.folds import Fold, fold_store
from medcl.tissue.map_files import map_path, save_map

RECORD = "experiment_cell.json"


class MapRecord(Config):
    """A map of one scan."""

    scan: str
    split: str


class CellRecord(Config):
    """Result of one experiment cell.

    Attributes:
        arm: Name of the arm.
        budget: Patients with a mask to learn from.
        patient: The test patient.
        seed: Random seed of the study.
        train_seconds: Time of training.
        map_seconds: Mean time of mapping a scan.
        selected: What was selected on the validation patient, by name.
        maps: The maps of the cell.
    """

    arm: str
    budget: int
    patient: str
    seed: int
    train_seconds: float
    map_seconds: float
    selected: dict[str, float]
    maps: tuple[MapRecord, ...]


def run_fold(study: TissueStudy, fold: Fold) -> Iterator[CellRecord]:
    """Pretrain without the test patient, compute the cells that are missing, and yield all of the fold."""
    config, folder = study.config, study.folder(fold)
    cells = [(arm, budget, folder / f"{arm}_{budget}") for budget in config.budgets for arm in config.arms]
    if not all(target.is_dir() for _, _, target in cells):
        _pretrain(study, fold)
    trainer = FoldTrainer(study, fold)
    for arm, budget, target in cells:
        if not target.is_dir():
            _compute(trainer, arm, budget, target)
        yield validate(read_json(target / RECORD), CellRecord, str(target / RECORD))


def _pretrain(study: TissueStudy, fold: Fold) -> None:
    patches = study.unlabeled
    store = fold_store(patches, patches.scans["owner"], fold, study.folder(fold) / "patches")
    settings = study.config.pretrain.model_dump()
    config = PretrainConfig(store=store, views=study.config.views, **settings)
    pretrain_once(config, study.folder(fold) / "pretrain")


def _compute(trainer: FoldTrainer, arm: str, budget: int, target: Path) -> None:
    """Train one arm and write its maps of the validation and the test scans."""
    store, start = trainer.study.store, time.monotonic()
    trained_arm = trainer.train(arm, budget)
    trained = time.monotonic()
    with atomic(target) as folder:
        folder.mkdir(parents=True)
        maps = []
        for row, split in trainer.rows.items():
            affine, scan = store.affine(row), store.scans["scan"].iat[row]
            assert affine is not None
            save_map(trained_arm.map_scan(row), affine, folder / f"{split}-{scan}.nii.gz")
            maps.append(MapRecord(scan=scan, split=split))
        record = CellRecord(
            arm=arm,
            budget=budget,
            patient=trainer.fold.test,
            seed=trainer.study.config.seed,
            train_seconds=round(trained - start, 2),
            map_seconds=round((time.monotonic() - trained) / len(maps), 2),
            selected={name: float(value) for name, value in trained_arm.selected.items()},
            maps=tuple(maps),
        )
        write_json(record.model_dump(mode="json"), folder / RECORD)


def map_table(cells: Sequence[CellRecord]) -> pd.DataFrame:
    """Return one row per map: arm, budget, patient, seed, times, scan, split and file."""
    return pd.DataFrame(
        [
            {
                **cell.model_dump(exclude={"selected", "maps"}),
                "scan": one.scan,
                "split": one.split,
                "file": map_path(cell.patient, cell.arm, cell.budget, one.split, one.scan),
            }
            for cell in cells
            for one in cell.maps
        ]
    )
