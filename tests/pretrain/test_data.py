"""The data of a run: small crops, pairs of a patient, volumes, and settings that do not fit."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch

from medcl.errors import UsageError
from medcl.pretrain import EncoderConfig, load_encoder, pretrain
from medcl.pretrain.data import TrainingData
from medcl.pretrain.methods.simclr import SimCLR
from tests.pretrain.stores import ENCODER, settings, store_of_patients, store_of_volumes

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def patients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return store_of_patients(tmp_path_factory.mktemp("patients"))


@pytest.fixture(scope="module")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return store_of_volumes(tmp_path_factory.mktemp("volumes"))


def log(run: Path) -> pd.DataFrame:
    return pd.read_csv(run / "metrics.csv")


def test_a_labeled_monitor_needs_labels_apart_from_the_training_scans(images: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"monitor\.labeled"):
        pretrain(settings(images, splits=("train", "val"), monitor={"labeled": True}), tmp_path / "run")


def test_swav_takes_small_crops_and_others_refuse_them(images: Path, tmp_path: Path) -> None:
    small = {"count": 3, "size_px": 8}
    pretrain(settings(images, method={"name": "swav"}, small_views=small), tmp_path / "run")
    assert log(tmp_path / "run")["loss"].notna().all()
    batch = next(
        iter(TrainingData(settings(images, method={"name": "swav"}, small_views=small)).training_loader())
    )
    assert batch.small.shape == (32, 3, 1, 8, 8)
    with pytest.raises(UsageError, match=r"choose a method with multi-crop: swav$"):
        pretrain(settings(images, small_views=small), tmp_path / "other")


def test_pairs_of_a_patient_are_two_of_its_scans_and_no_negatives(
    patients: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = settings(patients, pairs="patient", epochs=1)
    scans = TrainingData(config)
    batch = next(iter(scans.training_loader()))
    assert (batch.rows != batch.partners).all()
    assert torch.equal(scans.identity(batch.rows)[:, 1], scans.identity(batch.partners)[:, 1])
    seen = []
    compare = SimCLR.compare
    monkeypatch.setattr(SimCLR, "compare", lambda *args: (seen.append(args[2]), compare(*args))[1])
    pretrain(config, tmp_path / "run")
    assert any(len(batch.patient.unique()) < len(batch.scan.unique()) == 32 for batch in seen)


@pytest.mark.parametrize(
    ("encoder", "shape"),
    [
        (ENCODER.model_copy(update={"spatial_dims": 3}), (8, 2, 1, 12, 12, 12)),
        (ENCODER.model_copy(update={"spatial_dims": 3, "sequence": "gru"}), (8, 2, 1, 12, 12, 12)),
        (ENCODER.model_copy(update={"in_channels": 3}), (8, 2, 3, 12, 12)),
    ],
    ids=["3-D", "slices in sequence", "2.5-D"],
)
def test_volumes_are_pretrained_on(
    volumes: Path, tmp_path: Path, encoder: EncoderConfig, shape: tuple[int, ...]
) -> None:
    config = settings(
        volumes, encoder=encoder, batch_size=8, views={"policy": "unknown", "size_px": 12}, epochs=2
    )
    assert next(iter(TrainingData(config).training_loader())).data.shape == shape
    pretrain(config, tmp_path / "run")
    loaded = load_encoder(tmp_path / "run")
    assert loaded.config == encoder
    assert loaded(torch.zeros(2, *shape[2:])).shape == (2, 64)


def test_channels_that_views_do_not_have_are_refused(images: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="in_channels=3"):
        pretrain(settings(images, encoder=ENCODER.model_copy(update={"in_channels": 3})), tmp_path / "run")
