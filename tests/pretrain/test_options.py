"""What a run may be asked for beyond its method: monitors, cached gradients, clipping, other views."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from medcl.errors import UsageError, WorkFailed
from medcl.pretrain import EncoderConfig, load_encoder, pretrain
from medcl.pretrain.data import TrainingData
from medcl.pretrain.methods.simclr import SimCLR
from medcl.pretrain.optimizers import OptimizerConfig
from tests.pretrain.stores import ENCODER, settings, store_of_patients, store_of_pictures, store_of_volumes

torch.set_num_threads(1)
LINEAR = EncoderConfig(name="tests.pretrain.small_methods:SmallEncoder", options={"pixels": 256}, feature_size=8)
"""Without batch norm, so that cached gradients are exact."""


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return store_of_pictures(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def patients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return store_of_patients(tmp_path_factory.mktemp("patients"))


@pytest.fixture(scope="module")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return store_of_volumes(tmp_path_factory.mktemp("volumes"))


def log(run: Path) -> pd.DataFrame:
    return pd.read_csv(run / "metrics.csv")


def weights(run: Path) -> torch.Tensor:
    return torch.cat([w.flatten().double() for w in load_file(run / "encoder.safetensors").values()])


def test_collapse_is_measured_every_few_epochs_and_at_the_end(pictures: Path, tmp_path: Path) -> None:
    pretrain(settings(pictures, epochs=5, monitor={"scans": 20, "every_epochs": 2}), tmp_path / "run")
    measured = log(tmp_path / "run").dropna(subset="effective_rank")
    assert measured["epoch"].tolist() == [1, 3, 4]
    assert measured["effective_rank"].between(1, 19).all()
    assert not {"knn", "probe"} & set(measured)


def test_labeled_scans_that_are_not_trained_on_give_votes_and_a_picture(
    pictures: Path, tmp_path: Path
) -> None:
    pretrain(settings(pictures, epochs=1, monitor={"labeled": True}), tmp_path / "run")
    measured = log(tmp_path / "run").iloc[-1]
    assert measured["knn"] > 0.8
    assert measured["probe"] > 0.8
    events = EventAccumulator(str(tmp_path / "run" / "events"), size_guidance={"images": 0}).Reload()
    (picture,) = events.Images("pretrain/embedding")
    assert (picture.step, picture.width) == (3, 500)
    assert events.Scalars("pretrain/knn")[0].value == pytest.approx(measured["knn"])


def test_monitors_change_no_weight(pictures: Path, tmp_path: Path) -> None:
    for name, monitor in (("with", {"every_epochs": 1}), ("without", None)):
        pretrain(settings(pictures, monitor=monitor), tmp_path / name)
    assert torch.equal(weights(tmp_path / "with"), weights(tmp_path / "without"))


def test_a_labeled_monitor_needs_labels_apart_from_the_training_scans(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"monitor\.labeled"):
        pretrain(settings(pictures, splits=("train", "val"), monitor={"labeled": True}), tmp_path / "run")


def test_a_collapsed_run_says_so_and_stops_if_asked(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flat = EncoderConfig(name="tests.pretrain.small_methods:OneDirection", feature_size=8)
    asked = {"scans": 32, "every_epochs": 1}
    summary = pretrain(settings(pictures, encoder=flat, monitor=asked), tmp_path / "on")
    assert "one direction" in summary["collapsed"]
    assert "epoch 1: collapsed" in capsys.readouterr().err
    with pytest.raises(WorkFailed, match=r"collapsed.*after epoch 1"):
        pretrain(settings(pictures, encoder=flat, monitor=asked | {"stop": True}), tmp_path / "off")
    assert "one direction" in json.loads((tmp_path / "off" / "failure.json").read_text())["collapsed"]


def test_cached_gradients_train_the_same_network(pictures: Path, tmp_path: Path) -> None:
    """MoCo's heads have no batch norm, and this encoder has none."""
    told = {"encoder": LINEAR, "method": {"name": "moco"}, "clip_norm": 100.0}
    for name, chunk in (("whole", None), ("chunks", 5)):
        pretrain(settings(pictures, cached_chunk=chunk, **told), tmp_path / name)
    torch.testing.assert_close(weights(tmp_path / "whole"), weights(tmp_path / "chunks"))


@pytest.mark.parametrize("method", ["simclr", "byol", "swav", "barlow_twins"])
def test_every_method_runs_on_cached_gradients(pictures: Path, tmp_path: Path, method: str) -> None:
    small = {"size_px": 8} if method == "swav" else None
    config = settings(pictures, method={"name": method}, small_views=small, cached_chunk=12, epochs=1)
    pretrain(config, tmp_path / "run")
    assert (log(tmp_path / "run")["gradient_norm"] > 0).all()


def test_gradients_are_shortened_to_the_norm_that_is_asked(pictures: Path, tmp_path: Path) -> None:
    start = weights_of_start(pictures, tmp_path)
    without_decay = OptimizerConfig(weight_decay=0)
    pretrain(settings(pictures, encoder=LINEAR, optimizer=without_decay, clip_norm=1e-6), tmp_path / "run")
    assert (weights(tmp_path / "run") - start).norm() < 1e-5
    assert (log(tmp_path / "run")["gradient_norm"] > 1e-3).all()


def weights_of_start(store: Path, folder: Path) -> torch.Tensor:
    still = OptimizerConfig(lr_per_256=1e-30, weight_decay=0)
    pretrain(settings(store, encoder=LINEAR, optimizer=still, epochs=1), folder / "start")
    return weights(folder / "start")


def test_swav_takes_small_crops_and_others_refuse_them(pictures: Path, tmp_path: Path) -> None:
    small = {"count": 3, "size_px": 8}
    pretrain(settings(pictures, method={"name": "swav"}, small_views=small), tmp_path / "run")
    assert log(tmp_path / "run")["loss"].notna().all()
    batch = next(
        iter(TrainingData(settings(pictures, method={"name": "swav"}, small_views=small)).training_loader())
    )
    assert batch.small.shape == (32, 3, 1, 8, 8)
    with pytest.raises(UsageError, match=r"choose a method with multi-crop: swav$"):
        pretrain(settings(pictures, small_views=small), tmp_path / "other")


def test_pairs_of_a_patient_are_two_of_its_scans_and_no_negatives(
    patients: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = settings(patients, pairs="patient", epochs=1)
    scans = TrainingData(config)
    batch = next(iter(scans.training_loader()))
    assert (batch.rows != batch.partners).all()
    assert torch.equal(scans.identity(batch.rows)[1], scans.identity(batch.partners)[1])
    seen = []
    compare = SimCLR.compare
    monkeypatch.setattr(SimCLR, "compare", lambda *told: (seen.append(told[2]), compare(*told))[1])
    pretrain(config, tmp_path / "run")
    assert any(len(facts.patient.unique()) < len(facts.scan.unique()) == 32 for facts in seen)


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


def test_channels_that_views_do_not_have_are_refused(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="in_channels=3"):
        pretrain(settings(pictures, encoder=ENCODER.model_copy(update={"in_channels": 3})), tmp_path / "run")


def test_a_run_starts_from_the_weights_of_another(pictures: Path, tmp_path: Path) -> None:
    pretrain(settings(pictures, epochs=1, seed=5), tmp_path / "first")
    still = OptimizerConfig(lr_per_256=1e-30, weight_decay=0)
    start = tmp_path / "first" / "encoder.safetensors"
    pretrain(settings(pictures, epochs=1, optimizer=still, initial_weights=start), tmp_path / "next")
    convolution = "network.layer2.0.conv1.weight"
    one, other = (load_file(tmp_path / name / "encoder.safetensors") for name in ("first", "next"))
    assert torch.equal(one[convolution], other[convolution])
    told = json.loads((tmp_path / "next" / "initial_weights.json").read_text())
    assert "layer2.0.conv1.weight" in told["loaded"]
    assert not told["missing"]
    assert not told["unused"]


def test_random_layers_draw_by_step_alone(pictures: Path, tmp_path: Path) -> None:
    """Dropout of a network of somebody else's must not break resuming to the bit."""
    dropping = EncoderConfig(name="tests.pretrain.small_methods:Dropping", options={"pixels": 256}, feature_size=8)
    for name in ("one", "two"):
        torch.manual_seed(np.random.default_rng().integers(1000))
        before = torch.get_rng_state()
        pretrain(settings(pictures, encoder=dropping), tmp_path / name)
        assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(weights(tmp_path / "one"), weights(tmp_path / "two"))
