"""A tissue study: from a store with masks to maps, metrics, pictures and a report, resumable map by map."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from medcl.archive import Catalog
from medcl.errors import UsageError
from medcl.evaluate import write_record
from medcl.evaluate.tissue import (
    ABNORMAL,
    HEALTHY,
    OUTSIDE,
    TissueEvaluation,
    evaluate_tissue,
    write_tissue_report,
)
from medcl.files import write_table
from medcl.progress import track
from medcl.runs import check_study_folder, exclusive, start_study
from medcl.store import Store
from medcl.tissue.arms import TissueStudy
from medcl.tissue.config import TissueConfig
from medcl.tissue.dicom_out import check_dicom_out, write_segmentation
from medcl.tissue.experiment_cells import CellRecord, map_table, run_fold
from medcl.tissue.folds import plan_folds
from medcl.tissue.map_files import map_path, read_map, save_volume
from medcl.tissue.patch_sampling import (
    abnormal_mask,
    labeled_patches,
    masked_rows,
    scan_body_mask,
    unlabeled_patches,
)
from medcl.tissue.pictures import draw_patient
from medcl.tissue.study_record import tissue_record
from medcl.views import load_policy


def run_tissue(config: TissueConfig, out: Path) -> TissueEvaluation:
    """Run `config` into the folder `out`, or resume an earlier run with the same configuration.

    Raises:
        UsageError: The configuration cannot be carried out, or the folder holds another study.
    """
    _check(config, out)
    store = Store.open(config.store)
    rows = masked_rows(store)
    folds = plan_folds(store, rows, max(config.budgets), config.seed)
    dims = config.pretrain.encoder.spatial_dims
    labeled = labeled_patches(store, rows, config.patches, dims, config.seed)
    with exclusive(out):
        start_study(out, config)
        unlabeled = unlabeled_patches(store, rows, config.patches, dims, config.seed)
        patches = out / "patches"
        study = TissueStudy(
            config=config,
            store=store,
            rows=rows,
            labeled=labeled.write(patches / "labeled"),
            unlabeled=unlabeled.write(patches / "unlabeled"),
            out=out,
        )
        study.check()
        _write_truth(study)
        cells: list[CellRecord] = []
        for fold in track(folds, "tissue", unit="patient"):
            cells += run_fold(study, fold)
        write_table(map_table(cells), out / "maps.parquet")
        write_record(tissue_record(study, folds), out / "study.json")
        result = evaluate_tissue(out)
        if config.catalog is not None:
            _write_segmentations(study, Catalog.open(config.catalog), result)
        pictures = {fold.test: draw_patient(study, result, fold) for fold in folds}
        write_tissue_report(out, result, pictures)
        return result


def _check(config: TissueConfig, out: Path) -> None:
    """Check all that needs no data, before any work is done."""
    load_policy(config.views.policy, config.views.variant)
    if config.catalog is not None:
        check_dicom_out()
        Catalog.open(config.catalog)
    check_study_folder(out, config)


def _write_truth(study: TissueStudy) -> None:
    """Write the truth of each scan: healthy tissue, and abnormal tissue according to its mask."""
    for row in map(int, study.rows):
        path = study.out / "truth" / f"{study.store.scans['scan'].iat[row]}.nii.gz"
        if not path.is_file():
            truth = np.where(scan_body_mask(study.store, row), HEALTHY, OUTSIDE).astype(np.uint8)
            truth[abnormal_mask(study.store, row)] = ABNORMAL
            affine = study.store.affine(row)
            assert affine is not None
            save_volume(truth, affine, path)


def _write_segmentations(study: TissueStudy, catalog: Catalog, result: TissueEvaluation) -> None:
    """Write the primary arm's map of every DICOM scan as a segmentation; report those that cannot be."""
    primary = study.config.primary
    cells = result.patients[
        (result.patients["arm"] == primary.arm) & (result.patients["budget"] == primary.budget)
    ]
    for cell in cells.to_dict("records"):
        for row in study.rows_of(cell["patient"]):
            scan, affine = study.store.scans["scan"].iat[row], study.store.affine(row)
            assert affine is not None
            path = map_path(cell["patient"], primary.arm, primary.budget, "test", scan)
            abnormal = read_map(study.out / path) >= cell["threshold"]
            abnormal &= scan_body_mask(study.store, row)
            try:
                write_segmentation(catalog, scan, abnormal, affine, study.out / "dicom" / f"{scan}.dcm")
            except UsageError as error:
                print(f"no DICOM segmentation: {error}", file=sys.stderr)
