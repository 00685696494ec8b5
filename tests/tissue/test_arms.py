"""What the arms of a tissue study are given, and what is checked before any is trained."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from medcl.errors import UsageError
from medcl.files import read_json
from medcl.store import Store
from medcl.tissue import TissueConfig
from medcl.tissue.arms import FoldTrainer, TissueStudy
from medcl.tissue.folds import plan_folds
from medcl.tissue.map_files import read_map
from medcl.tissue.patch_sampling import labeled_patches, masked_rows
from tests.tissue.samples import settings


def study_of(store: Store, config: TissueConfig, out: Path) -> TissueStudy:
    return TissueStudy(config, store, masked_rows(store), store, store, out)


def test_patches_are_shown_as_one_slice_and_regions_larger(store: Store, tmp_path: Path) -> None:
    study = study_of(
        store, settings(store.folder, views={"policy": "mr", "size_px": 8, "slices": 7}), tmp_path
    )
    assert (study.images.size, study.images.slices) == (8, 1)
    assert (study.regions.size, study.regions.slices) == (32, 1)


def test_only_arms_that_segment_need_scans_as_large_as_regions(store: Store, tmp_path: Path) -> None:
    large = {"edge_mm": 20, "each": 4, "unlabeled": 4, "stride_mm": 6}
    study_of(store, settings(store.folder, patches=large), tmp_path).check()
    config = settings(store.folder, patches=large, arms=["simclr-probe", "supervised", "supervised-segment"])
    with pytest.raises(UsageError, match="less than the regions of 80 mm that segmenting arms learn on"):
        study_of(store, config, tmp_path).check()


def test_a_trainer_maps_the_validation_and_the_test_scans_as_the_study_did(
    study: tuple[TissueConfig, Path], store: Store, tmp_path: Path
) -> None:
    config, out = study
    rows = masked_rows(store)
    labeled = labeled_patches(store, rows, config.patches, 2, config.seed).write(tmp_path / "labeled")
    fold = plan_folds(store, rows, 1, config.seed)[0]
    shutil.copytree(out / "folds" / fold.test / "pretrain", tmp_path / "folds" / fold.test / "pretrain")
    trainer = FoldTrainer(TissueStudy(config, store, rows, labeled, labeled, tmp_path), fold)
    patients = store.scans["patient"]
    assert {patients.iat[row]: split for row, split in trainer.rows.items()} == {
        fold.val: "val",
        fold.test: "test",
    }
    trained = trainer.train("simclr-probe", 1)
    cell = out / "folds" / fold.test / "simclr-probe_1"
    assert trained.selected == pytest.approx(read_json(cell / "experiment_cell.json")["selected"])
    (test,) = [row for row, split in trainer.rows.items() if split == "test"]
    written = read_map(cell / f"test-{store.scans['scan'].iat[test]}.nii.gz")
    np.testing.assert_allclose(trained.map_scan(test), written, atol=1e-4)
