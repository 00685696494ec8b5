"""A study of tissue: from a store with masks to maps, metrics, pictures and a page, resumable map by map."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from medcl.archive import Catalog
from medcl.config import dump, load
from medcl.errors import UsageError
from medcl.evaluate.tissue.evaluate import TissueEvaluation, evaluate_tissue
from medcl.evaluate.tissue.report import write_tissue_report
from medcl.evaluate.tissue.voxels import ABNORMAL, HEALTHY, OUTSIDE
from medcl.files import write_json, write_table, write_text
from medcl.progress import track
from medcl.runs.folder import exclusive
from medcl.store import Store
from medcl.tissue.arms import TissueStudy
from medcl.tissue.config import TissueConfig
from medcl.tissue.dicom_out import check_dicom_out, write_segmentation
from medcl.tissue.fold_run import map_files, map_path, run_fold
from medcl.tissue.folds import plan_folds
from medcl.tissue.map_files import read_map, save_volume
from medcl.tissue.patch_sampling import (
    abnormal,
    labeled_patches,
    masked_rows,
    scan_body_mask,
    unlabeled_patches,
)
from medcl.tissue.pictures import draw_patient
from medcl.tissue.study_record import tissue_facts
from medcl.views import load_policy


def run_tissue(config: TissueConfig, out: Path) -> TissueEvaluation:
    """Run `config` into the folder `out`, or go on where an earlier call with the same configuration stopped.

    Raises:
        UsageError: a configuration that cannot be carried out, or a folder of another study.
    """
    _check(config, out)
    store = Store.open(config.store)
    rows = masked_rows(store)
    folds = plan_folds(store, rows, max(config.budgets), config.seed)
    dims = config.pretrain.encoder.spatial_dims
    labeled = labeled_patches(store, rows, config.patches, dims, config.seed)
    with exclusive(out):
        write_text(dump(config), out / "study.yaml")
        unlabeled = unlabeled_patches(store, rows, config.patches, dims, config.seed)
        patches = out / "patches"
        place = TissueStudy(
            config=config,
            store=store,
            rows=rows,
            labeled=labeled.write(patches / "labeled"),
            unlabeled=unlabeled.write(patches / "unlabeled"),
            out=out,
        )
        place.check()
        _write_truth(place)
        cells: list[dict[str, Any]] = []
        for fold in track(folds, "tissue", unit="patient"):
            cells += run_fold(place, fold)
        write_table(pd.DataFrame(map_files(cells)), out / "maps.parquet")
        write_json(tissue_facts(place, folds), out / "study.json")
        result = evaluate_tissue(out)
        if config.catalog is not None:
            _write_segmentations(place, Catalog.open(config.catalog), result)
        pictures = {fold.test: draw_patient(place, result, fold) for fold in folds}
        write_tissue_report(out, result, pictures)
        return result


def _check(config: TissueConfig, out: Path) -> None:
    """Find the faults that need no data before any work is done."""
    load_policy(config.views.policy, config.views.variant)
    if config.catalog is not None:
        check_dicom_out()
        Catalog.open(config.catalog)
    kept = out / "study.yaml"
    if kept.is_file() and load(kept, TissueConfig) != config:
        raise UsageError(f"{out} holds another study than this; name a new folder")
    if out.exists() and not kept.is_file() and {path.name for path in out.iterdir()} - {".lock"}:
        raise UsageError(f"{out} holds something else than a study of tissue; name a new folder")


def _write_truth(place: TissueStudy) -> None:
    """Write what each scan is evaluated on: its tissue, and all that its mask says is abnormal."""
    for row in map(int, place.rows):
        path = place.out / "truth" / f"{place.store.scans['scan'].iat[row]}.nii.gz"
        if not path.is_file():
            truth = np.where(scan_body_mask(place.store, row), HEALTHY, OUTSIDE).astype(np.uint8)
            truth[abnormal(place.store, row)] = ABNORMAL
            affine = place.store.affine(row)
            assert affine is not None
            save_volume(truth, affine, path)


def _write_segmentations(place: TissueStudy, catalog: Catalog, result: TissueEvaluation) -> None:
    """Write what the stated arm calls abnormal in every DICOM scan; say where that cannot be written."""
    primary = place.config.primary
    cells = result.patients[
        (result.patients["arm"] == primary.arm) & (result.patients["budget"] == primary.budget)
    ]
    for cell in cells.to_dict("records"):
        for row in place.rows_of(cell["patient"]):
            scan, affine = place.store.scans["scan"].iat[row], place.store.affine(row)
            assert affine is not None
            path = map_path(cell["patient"], primary.arm, primary.budget, "test", scan)
            called = read_map(place.out / path) >= cell["threshold"]
            try:
                write_segmentation(
                    catalog,
                    scan,
                    called & scan_body_mask(place.store, row),
                    affine,
                    place.out / "dicom" / f"{scan}.dcm",
                )
            except UsageError as error:
                print(f"no DICOM segmentation: {error}", file=sys.stderr)
