"""A study from store to page: what is learned from whom, what is written, and that it resumes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from medcl.archive import scan_archive
from medcl.errors import UsageError
from medcl.store import Store, prepare
from medcl.store.columns import read_arrow, write_arrow
from medcl.tissue import TissueConfig, run_tissue
from medcl.tissue import experiment_cells as cells_module
from medcl.tissue.folds import fold_task, plan_folds
from medcl.tissue.patch_sampling import labeled_patches, masked_rows
from tests.tissue.samples import BALLS, SPACING, settings, write_archive


@pytest.fixture(scope="session")
def study(store: Store, tmp_path_factory: pytest.TempPathFactory) -> tuple[TissueConfig, Path]:
    arms = ["simclr-probe", "supervised", "simclr-segment", "supervised-segment"]
    config = settings(store.folder, arms=arms, budgets=[1], primary={"arm": "simclr-probe", "budget": 1})
    out = tmp_path_factory.mktemp("study") / "out"
    run_tissue(config, out)
    return config, out


def test_nobody_learns_from_the_patient_that_is_tested(store: Store, tmp_path: Path) -> None:
    rows = masked_rows(store)
    folds = plan_folds(store, rows, 2, seed=0)
    patches = labeled_patches(store, rows, settings(store.folder).patches, 2, 0).write(tmp_path / "patches")
    assert sorted(fold.test for fold in folds) == sorted(set(store.scans["patient"]))
    for fold in folds:
        assert {fold.test, fold.val, *fold.train} == set(store.scans["patient"])
        one, two = (fold_task(patches, fold, budget) for budget in (1, 2))
        assert set(one[1].train) < set(two[1].train), "a smaller budget is part of a larger one"
        for task, known in (one, two):
            whose = task.store.scans["patient"]
            assert set(whose.iloc[known.val]) == {fold.val}
            assert fold.test not in set(whose.iloc[known.train]) | {fold.val}
            assert set(task.truth[known.train]) == {0, 1}
            np.testing.assert_array_equal(task.store.rows("train"), known.train)


def test_pretraining_sees_training_patients_only(study: tuple[TissueConfig, Path], store: Store) -> None:
    _, out = study
    for folder in (out / "folds").iterdir():
        pool = Store.open(folder / "patches")
        seen = set(pool.scans["owner"].iloc[pool.rows("train")])
        (val,) = set(pool.scans["owner"].iloc[pool.rows("val")])
        assert seen == set(store.scans["patient"]) - {folder.name, val}


def test_a_study_leaves_maps_tables_pictures_and_a_page(
    study: tuple[TissueConfig, Path], store: Store
) -> None:
    _, out = study
    maps = pd.read_parquet(out / "maps.parquet")
    assert len(maps) == 4 * 4 * 2, "patients, arms, splits"
    assert all((out / file).is_file() for file in maps["file"])
    patients = pd.read_csv(out / "tables" / "patients.csv")
    assert len(patients) == 16
    assert patients["auroc"].between(0, 1).all()
    assert len(list((out / "pictures").glob("*.png"))) == 4
    page = (out / "report.html").read_text()
    assert "4 patients: intervals are wide, and p cannot be below 0.12" in page
    assert "Not transductive" in page
    assert "boxes of the label table" not in page
    assert page.count("data:image/png") == 4
    cell = json.loads(next(out.glob("folds/*/supervised_1/experiment_cell.json")).read_text())
    assert cell["train_seconds"] > 0


def test_segmentation_is_held_against_the_same_network_from_random_weights(
    study: tuple[TissueConfig, Path],
) -> None:
    _, out = study
    differences = pd.read_csv(out / "tables" / "differences.csv")
    assert set(zip(differences["arm"], differences["baseline"], strict=True)) == {
        ("simclr-probe", "supervised"),
        ("simclr-segment", "supervised"),
        ("supervised-segment", "supervised"),
        ("simclr-segment", "supervised-segment"),
    }
    patients = pd.read_csv(out / "tables" / "patients.csv")
    reached = patients.pivot(index="patient", columns="arm", values="dice")
    gained = (reached["simclr-segment"] - reached["supervised-segment"]).mean()
    dice = differences[(differences["metric"] == "dice") & (differences["baseline"] == "supervised-segment")]
    assert dice["mean"].item() == pytest.approx(gained, abs=1e-6)
    page = (out / "report.html").read_text()
    assert "simclr-segment against supervised-segment, Dice: 1 with a mask" in page
    assert "regions of 36 mm around the same patches" in page
    records = [json.loads(path.read_text()) for path in out.glob("folds/*/*-segment_1/experiment_cell.json")]
    assert {cell["selected"]["candidates"] for cell in records} == {2}, (
        "as many as every other arm may compare"
    )


def test_the_same_command_computes_nothing_again(
    study: tuple[TissueConfig, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    config, out = study
    before = (out / "tables" / "patients.csv").read_text()
    for lost in [next(out.glob(f"folds/*/{arm}_1")) for arm in ("supervised", "simclr-segment")]:
        shutil.rmtree(lost)
    monkeypatch.setattr("medcl.pretrain.once.pretrain", lambda *_, **__: pytest.fail("pretrained again"))
    run_tissue(config, out)
    assert (out / "tables" / "patients.csv").read_text() == before, "the lost cells come out the same"
    monkeypatch.setattr(cells_module, "_compute", lambda *_: pytest.fail("computed again"))
    run_tissue(config, out)


def test_another_configuration_does_not_touch_a_study(study: tuple[TissueConfig, Path]) -> None:
    config, out = study
    with pytest.raises(UsageError, match="holds another study"):
        run_tissue(config.model_copy(update={"seed": 1}), out)


def test_too_few_patients_are_named_before_any_work(store: Store, tmp_path: Path) -> None:
    config = settings(store.folder, budgets=[3], primary={"arm": "simclr-probe", "budget": 3})
    with pytest.raises(UsageError, match="4 patients with masks: 3 to learn from, one to validate"):
        run_tissue(config, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_study_of_boxes_and_of_unknown_patients_says_so(tmp_path: Path) -> None:
    table = pd.read_csv(write_archive(tmp_path, masks=False))
    for path in (tmp_path / "archive").glob("*/seg.nii.gz"):
        path.unlink()
    ends = [(np.array(ball) * SPACING - 6, np.array(ball) * SPACING + 6) for ball in BALLS]
    table["box"] = [" ".join(map(str, [*low, *high])) for low, high in ends]
    table.to_csv(tmp_path / "boxes.csv", index=False)
    catalog = scan_archive([tmp_path / "archive"], tmp_path / "catalog")
    store = prepare(catalog, tmp_path / "store", tmp_path / "boxes.csv")
    scans = read_arrow(store.folder / "scans.arrow")
    unknown = pa.array(["unknown"] * len(store), pa.large_string())
    place = scans.column_names.index("patient_evidence")
    write_arrow(scans.set_column(place, "patient_evidence", unknown), store.folder / "scans.arrow")
    only = "random-probe"
    primary = {"arm": only, "baseline": only, "budget": 1}
    run_tissue(settings(store.folder, arms=[only], budgets=[1], primary=primary), tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text()
    assert "The masks of 4 of 4 scans are boxes of the label table" in page
    assert "4 of 4 scans have no known patient" in page


@pytest.mark.slow
def test_cubes_of_volumes_are_learned_from_too(store: Store, tmp_path: Path) -> None:
    config = settings(store.folder, budgets=[1], primary={"arm": "simclr-probe", "budget": 1})
    encoder = config.pretrain.encoder.model_copy(update={"spatial_dims": 3})
    solid = config.pretrain.model_copy(update={"encoder": encoder})
    result = run_tissue(config.model_copy(update={"pretrain": solid}), tmp_path / "out")
    assert len(result.patients) == 8
    assert np.isfinite(result.patients["dice"]).all()
