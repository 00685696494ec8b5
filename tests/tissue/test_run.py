"""A study from store to page: what is learned from whom, what is written, and that it resumes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from medcl.errors import UsageError
from medcl.store import Store
from medcl.tissue import TissueConfig, run_tissue
from medcl.tissue import experiment_cells as cells_module
from tests.tissue.samples import settings


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


@pytest.mark.slow
def test_cubes_of_volumes_are_learned_from_too(store: Store, tmp_path: Path) -> None:
    config = settings(store.folder, budgets=[1], primary={"arm": "simclr-probe", "budget": 1})
    encoder = config.pretrain.encoder.model_copy(update={"spatial_dims": 3})
    solid = config.pretrain.model_copy(update={"encoder": encoder})
    result = run_tissue(config.model_copy(update={"pretrain": solid}), tmp_path / "out")
    assert len(result.patients) == 8
    assert np.isfinite(result.patients["dice"]).all()
