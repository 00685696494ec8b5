"""Whole studies whose encoder sees volumes (3-D) or slices with their neighbors (2.5-D)."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch

from medcl.config import validate
from medcl.finetune import Model
from medcl.predict import predict_archive
from medcl.study import StudyConfig, run_study


def write_archive(folder: Path, count: int, seed: int) -> Path:
    """Volumes of 16 x 16 x 12 voxels, every second with a bright box, named by a label table."""
    generator, rows = np.random.default_rng(seed), []
    (folder / "scans").mkdir(parents=True)
    for number in range(count):
        voxels = generator.normal(200, 20, (16, 16, 12))
        if number % 2:
            voxels[4:10, 5:11, 4:8] += 200
        nib.save(
            nib.Nifti1Image(voxels.astype(np.int16), np.diag([1, 1, 2, 1])),
            folder / "scans" / f"{number}.nii.gz",
        )
        rows.append({"file": f"{number}.nii.gz", "patient": f"p{number}", "label": "ab"[number % 2]})
    pd.DataFrame(rows).to_csv(folder / "labels.csv", index=False)
    return folder


def study_of(archive: Path, encoder: dict[str, object], training: dict[str, object]) -> StudyConfig:
    predictions = {
        "title": "Boxes",
        "question": "Are they seen?",
        "archive": [str(archive / "scans")],
        "labels": str(archive / "labels.csv"),
        "negative": {"name": "a", "labels": ["a"]},
        "positive": {"name": "b", "labels": ["b"]},
        "views": {"policy": "unknown", "size_px": 16, "slices": 4},
        "pretrain": {
            "encoder": {"name": "resnet10", "width": 8, "stem": "compact", **encoder},
            "epochs": 1,
            "batch_size": 16,
            "threads": 1,
        },
        "training": {"steps": 8, "batch_size": 8, "learning_rates": [3e-3], "candidates": 4, **training},
        "arms": ["simclr-finetune", "simclr-knn", "supervised"],
        "budgets": ["5/class"],
        "seeds": [0],
        "primary": {"arm": "simclr-finetune", "budgets": ["5/class"]},
    }
    return validate(predictions, StudyConfig, "study.yaml")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("encoder", "training"),
    [({"spatial_dims": 3}, {}), ({"in_channels": 3}, {"pooling": "gru"})],
    ids=["3-D", "2.5-D read in order"],
)
def test_from_files_to_a_model_that_predicts_new_scans(
    tmp_path: Path, encoder: dict[str, object], training: dict[str, object]
) -> None:
    torch.set_num_threads(1)
    archive, out = write_archive(tmp_path / "archive", 80, seed=0), tmp_path / "study"
    config = study_of(archive, encoder, training)
    run_study(config, out)
    predictions = pd.read_parquet(out / "predictions.parquet")
    assert set(predictions["arm"]) == set(config.arms)
    costs = pd.read_parquet(out / "costs.parquet")
    assert (costs["candidates"] <= config.training.candidates).all()
    assert (costs["energy_wh"] > 0).all()
    page = (out / "report.html").read_text()
    assert "Near-duplicates of test scans were searched for" in page
    assert "Energy in total (Wh, estimate)" in page
    model = Model.load(out)
    assert model.classifier.pooling == config.training.pooling
    assert model.images.volumes_only
    new = write_archive(tmp_path / "new", 4, seed=1)
    summary = predict_archive(out, [new / "scans"], tmp_path / "p.csv")
    assert summary["scans"] == 4
