"""The cells of a study of tissue: arm by budget by test patient, each computed once and written whole."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from medcl.files import atomic, read_json, write_json
from medcl.pretrain import PretrainConfig, pretrain
from medcl.tissue.arms import FoldTrainer, TissueStudy
from medcl.tissue.folds import Fold, fold_store
from medcl.tissue.map_files import save_map


def run_fold(place: TissueStudy, fold: Fold) -> Iterator[dict[str, Any]]:
    """Pretrain without the test patient, then compute the cells that are not there yet.

    Yields:
        What `cell.json` of each cell says: arm, budget, seconds, what was chosen, and its maps.
    """
    config, folder = place.config, place.folder(fold)
    cells = [(arm, budget, folder / f"{arm}_{budget}") for budget in config.budgets for arm in config.arms]
    missing = [cell for cell in cells if not cell[2].is_dir()]
    if missing:
        _pretrained(place, fold)
    course = FoldTrainer(place, fold)
    for arm, budget, target in cells:
        if not target.is_dir():
            _compute(course, arm, budget, target)
        yield read_json(target / "cell.json")


def _pretrained(place: TissueStudy, fold: Fold) -> None:
    run, config = place.folder(fold) / "pretrain", place.config
    if (run / "summary.json").is_file():
        return
    store = fold_store(place.unlabeled, place.unlabeled.scans["owner"], fold, place.folder(fold) / "patches")
    told = PretrainConfig(store=store, views=config.views, **config.pretrain.model_dump())
    pretrain(told, run, resume=(run / "config.yaml").is_file())


def _compute(course: FoldTrainer, arm: str, budget: int, target: Path) -> None:
    """Train one arm and write its maps of the validation and the test scans."""
    store, begun = course.place.store, time.monotonic()
    mapped, chosen = course.learned(arm, budget)
    trained = time.monotonic()
    with atomic(target) as folder:
        folder.mkdir(parents=True)
        maps = []
        for row, split in course.rows.items():
            affine, scan = store.affine(row), store.scans["scan"].iat[row]
            assert affine is not None
            save_map(mapped(row), affine, folder / f"{split}-{scan}.nii.gz")
            maps.append({"scan": scan, "split": split})
        told = {
            "arm": arm,
            "budget": budget,
            "patient": course.fold.test,
            "seed": course.place.config.seed,
            "train_seconds": round(trained - begun, 2),
            "map_seconds": round((time.monotonic() - trained) / len(maps), 2),
            "chosen": {name: float(value) for name, value in chosen.items()},
            "maps": maps,
        }
        write_json(told, folder / "cell.json")


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
