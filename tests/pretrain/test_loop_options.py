"""Options of a run: stopping at collapse, clipping, initial weights, random layers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from medcl.errors import WorkFailed
from medcl.pretrain import EncoderConfig, pretrain
from medcl.pretrain.optimizers import OptimizerConfig
from tests.pretrain.small_methods import SMALL_ENCODER, SMALL_METHODS
from tests.pretrain.stores import settings

torch.set_num_threads(1)
LINEAR = EncoderConfig(name=SMALL_ENCODER, options={"pixels": 256}, feature_size=8)
"""Without batch norm, so that cached gradients are exact."""


def log(run: Path) -> pd.DataFrame:
    return pd.read_csv(run / "metrics.csv")


def weights(run: Path) -> torch.Tensor:
    return torch.cat([w.flatten().double() for w in load_file(run / "encoder.safetensors").values()])


def test_a_collapsed_run_says_so_and_stops_if_asked(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flat = EncoderConfig(name=f"{SMALL_METHODS}:OneDirection", feature_size=8)
    monitor = {"scans": 32, "every_epochs": 1}
    summary = pretrain(settings(images, encoder=flat, monitor=monitor), tmp_path / "on")
    assert "one direction" in summary["collapsed"]
    assert "epoch 1: collapsed" in capsys.readouterr().err
    with pytest.raises(WorkFailed, match=r"collapsed.*after epoch 1"):
        pretrain(settings(images, encoder=flat, monitor=monitor | {"stop": True}), tmp_path / "off")
    assert "one direction" in json.loads((tmp_path / "off" / "failure.json").read_text())["collapsed"]


def test_gradients_are_shortened_to_the_norm_that_is_asked(images: Path, tmp_path: Path) -> None:
    start = weights_of_start(images, tmp_path)
    without_decay = OptimizerConfig(weight_decay=0)
    pretrain(settings(images, encoder=LINEAR, optimizer=without_decay, clip_norm=1e-6), tmp_path / "run")
    assert (weights(tmp_path / "run") - start).norm() < 1e-5
    assert (log(tmp_path / "run")["gradient_norm"] > 1e-3).all()


def weights_of_start(store: Path, folder: Path) -> torch.Tensor:
    still = OptimizerConfig(lr_per_256=1e-30, weight_decay=0)
    pretrain(settings(store, encoder=LINEAR, optimizer=still, epochs=1), folder / "start")
    return weights(folder / "start")


def test_a_run_starts_from_the_weights_of_another(images: Path, tmp_path: Path) -> None:
    pretrain(settings(images, epochs=1, seed=5), tmp_path / "first")
    still = OptimizerConfig(lr_per_256=1e-30, weight_decay=0)
    start = tmp_path / "first" / "encoder.safetensors"
    pretrain(settings(images, epochs=1, optimizer=still, initial_weights=start), tmp_path / "next")
    convolution = "network.layer2.0.conv1.weight"
    one, other = (load_file(tmp_path / name / "encoder.safetensors") for name in ("first", "next"))
    assert torch.equal(one[convolution], other[convolution])
    report = json.loads((tmp_path / "next" / "initial_weights.json").read_text())
    assert "layer2.0.conv1.weight" in report["loaded"]
    assert not report["missing"]
    assert not report["unused"]


def test_random_layers_draw_by_step_alone(images: Path, tmp_path: Path) -> None:
    """Dropout of a network of somebody else's must not break resuming to the bit."""
    dropping = EncoderConfig(name=f"{SMALL_METHODS}:Dropping", options={"pixels": 256}, feature_size=8)
    for name in ("one", "two"):
        torch.manual_seed(np.random.default_rng().integers(1000))
        before = torch.get_rng_state()
        pretrain(settings(images, encoder=dropping), tmp_path / name)
        assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(weights(tmp_path / "one"), weights(tmp_path / "two"))
