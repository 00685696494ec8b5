"""Pretraining as a whole: it learns, stops, resumes to the bit, and says what is wrong."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from medcl.config import dump
from medcl.errors import Interrupted, UsageError, WorkFailed
from medcl.pretrain import EncoderConfig, PretrainConfig, ViewsConfig, load_encoder, pretrain
from medcl.pretrain.loop import Pretraining
from medcl.pretrain.optimizers import OptimizerConfig
from medcl.pretrain.readings import Readings
from tests.killable import kill, start
from tests.pretrain.small_methods import SMALL_ENCODER, SMALL_METHODS
from tests.pretrain.stores import settings as short
from tests.pretrain.stores import store_of_images

torch.set_num_threads(1)
LINEAR = EncoderConfig(name=SMALL_ENCODER, options={"pixels": 256}, feature_size=8)
"""Without batch norm, so that cached gradients are exact."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return store_of_images(tmp_path_factory.mktemp("pretrain"))


def settings(store: Path, **changes: object) -> PretrainConfig:
    return short(store, **{"views": ViewsConfig(policy="cxr", size_px=16), "epochs": 4, **changes})


def start_run(config: PretrainConfig, folder: Path) -> BaseProcess:
    """Start to pretrain into `folder/run`; its errors go to `folder/stderr`."""
    (folder / "config.yaml").write_text(dump(config))
    command = ["pretrain", folder / "config.yaml", "-o", folder / "run"]
    return start(*command, errors=folder / "stderr")


def wait_for(process: BaseProcess, folder: Path, pattern: str) -> None:
    while not list(folder.glob(pattern)):
        assert process.is_alive()
        time.sleep(0.005)


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "encoder.safetensors")


def flat_weights(run: Path) -> torch.Tensor:
    return torch.cat([weight.flatten().double() for weight in weights(run).values()])


def same(first: Path, second: Path) -> bool:
    one, other = weights(first), weights(second)
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_a_run_learns_and_leaves_what_is_needed_to_repeat_it(store: Path, tmp_path: Path) -> None:
    summary = pretrain(settings(store, epochs=12), tmp_path / "run")
    log = pd.read_csv(tmp_path / "run" / "metrics.csv")
    assert summary["steps"] == len(log) == 36
    assert log["loss"].tail(6).mean() < log["loss"].head(6).mean() - 0.1
    assert load_encoder(tmp_path / "run").feature_size == 64
    kept = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"config.yaml", "provenance.json", "environment.json", "events", "summary.json"} <= kept
    assert "checkpoint.pt" not in kept


def test_the_same_configuration_gives_the_same_weights_and_another_seed_does_not(
    store: Path, tmp_path: Path
) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        pretrain(settings(store, epochs=1, seed=seed), tmp_path / name)
    assert same(tmp_path / "a", tmp_path / "b")
    assert not same(tmp_path / "a", tmp_path / "c")


@pytest.mark.parametrize("method", ["simclr", "moco", "byol", "swav", "barlow_twins"])
def test_killed_at_random_and_resumed_equals_undisturbed(store: Path, tmp_path: Path, method: str) -> None:
    config = settings(store, checkpoint_every_s=0.0, method={"name": method})
    pretrain(config, tmp_path / "whole")
    process = start_run(config, tmp_path)
    wait_for(process, tmp_path, "run/checkpoint.pt")
    time.sleep(random.random() / 2)
    kill(process)
    if not (tmp_path / "run" / "summary.json").exists():
        pretrain(config, tmp_path / "run", resume=True)
    assert same(tmp_path / "whole", tmp_path / "run")


def test_sigterm_saves_and_says_how_to_go_on(store: Path, tmp_path: Path) -> None:
    process = start_run(settings(store, epochs=2000), tmp_path)
    wait_for(process, tmp_path, "run/events/*")
    time.sleep(0.5)
    process.terminate()
    process.join(90)
    assert process.exitcode == 143
    stderr = (tmp_path / "stderr").read_text()
    assert stderr.strip().splitlines()[-1].startswith("medcl: stopped at step")
    assert "Traceback" not in stderr
    assert torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["step"] > 0


def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_scans(store: Path, tmp_path: Path) -> None:
    with pytest.raises(WorkFailed, match="lower optimizer"):
        pretrain(settings(store, optimizer=OptimizerConfig(lr_per_256=1e30)), tmp_path / "run")
    failure = json.loads((tmp_path / "run" / "failure.json").read_text())
    assert len(failure["scans"]) == 32
    assert all(scan.startswith("s-") for scan in failure["scans"])


def test_a_gradient_that_is_not_finite_stops_the_run_before_it_is_taken(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = []
    monkeypatch.setattr(torch.optim.SGD, "step", lambda *args, **options: steps.append(args))
    monkeypatch.setattr("torch.nn.utils.get_total_norm", lambda *args: torch.tensor(float("nan")))
    with pytest.raises(WorkFailed, match="its gradient norm nan"):
        pretrain(settings(store), tmp_path / "run")
    assert not steps


@pytest.fixture
def grouped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps are read in groups of four, one group later, as beside a GPU."""
    monkeypatch.setattr("medcl.pretrain.readings.SLOW_STEP_S", 60)
    monkeypatch.setattr("medcl.pretrain.loop.Readings", lambda device: Readings(device, group=4, lag=1))


@pytest.mark.usefixtures("grouped")
def test_steps_read_in_groups_fail_at_the_same_step_and_are_never_saved(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = settings(store, optimizer=OptimizerConfig(lr_per_256=1e30), checkpoint_every_s=0.0)
    with pytest.raises(WorkFailed, match="lower optimizer"):
        pretrain(config, tmp_path / "groups")
    monkeypatch.setattr("medcl.pretrain.loop.Readings", Readings)
    with pytest.raises(WorkFailed, match="lower optimizer"):
        pretrain(config, tmp_path / "single")
    failures = [json.loads((tmp_path / name / "failure.json").read_text()) for name in ("groups", "single")]
    assert failures[0] == failures[1]
    assert len(pd.read_csv(tmp_path / "groups" / "metrics.csv")) == failures[0]["step"]
    assert not (tmp_path / "groups" / "encoder.safetensors").exists()
    assert not (tmp_path / "groups" / "checkpoint.pt").exists()


@pytest.mark.usefixtures("grouped")
@pytest.mark.parametrize("stopped_at", [1, 7])
def test_steps_read_in_groups_resume_to_the_bit(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped_at: int
) -> None:
    config, train_step = settings(store, epochs=6, method={"name": "moco"}), Pretraining.train_step
    whole = pretrain(config, tmp_path / "whole")

    def stopping(training: Pretraining, *args: Any) -> set[str]:
        if training.step == stopped_at:
            os.kill(os.getpid(), signal.SIGTERM)
        return train_step(training, *args)

    monkeypatch.setattr(Pretraining, "train_step", stopping)
    with pytest.raises(Interrupted, match="stopped at step"):
        pretrain(config, tmp_path / "run")
    step = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["step"]
    logs = [pd.read_csv(tmp_path / "run" / "metrics.csv")]
    assert logs[0]["step"].tolist() == list(range(1, step + 1))
    monkeypatch.setattr(Pretraining, "train_step", train_step)
    resumed = pretrain(config, tmp_path / "run", resume=True)
    assert same(tmp_path / "whole", tmp_path / "run")
    logs = [pd.read_csv(tmp_path / name / "metrics.csv") for name in ("whole", "run")]
    for column in ("step", "loss", "gradient_norm", "effective_rank"):
        pd.testing.assert_series_equal(logs[0][column], logs[1][column])
    assert resumed["final_loss"] == whole["final_loss"] == logs[0]["loss"].iloc[-1]
    waited = logs[1]["wait_s"].sum() / resumed["seconds"]
    assert resumed["waiting_share"] == pytest.approx(waited, rel=0.2, abs=0.01)


def test_folders_and_configurations_that_do_not_fit_are_refused(store: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="fewer than batch_size"):
        pretrain(settings(store, batch_size=4096), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    with pytest.raises(UsageError, match="no run to resume"):
        pretrain(settings(store), tmp_path / "run", resume=True)
    pretrain(settings(store, epochs=1), tmp_path / "run")
    with pytest.raises(UsageError, match="finished run"):
        pretrain(settings(store, epochs=1), tmp_path / "run")


def test_a_restarted_process_resumes_unasked(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As SLURM does after a preemption: the same command again."""
    config = settings(store, epochs=1)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text(dump(config))
    with pytest.raises(UsageError, match="add --resume"):
        pretrain(config, tmp_path / "run")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    assert pretrain(config, tmp_path / "run")["steps"] == 3


def test_a_second_process_is_refused_by_name(store: Path, tmp_path: Path) -> None:
    config = settings(store, epochs=2000)
    first = start_run(config, tmp_path)
    try:
        wait_for(first, tmp_path, "run/events/*")
        with pytest.raises(UsageError, match=f"in use by process {first.pid}"):
            pretrain(config, tmp_path / "run", resume=True)
    finally:
        kill(first)


def test_a_collapsed_run_says_so_and_stops_if_asked(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flat = EncoderConfig(name=f"{SMALL_METHODS}:OneDirection", feature_size=8)
    monitor = {"scans": 32, "every_epochs": 1}
    summary = pretrain(short(store, encoder=flat, monitor=monitor), tmp_path / "on")
    assert "one direction" in summary["collapsed"]
    assert "epoch 1: collapsed" in capsys.readouterr().err
    with pytest.raises(WorkFailed, match=r"collapsed.*after epoch 1"):
        pretrain(short(store, encoder=flat, monitor=monitor | {"stop": True}), tmp_path / "off")
    assert "one direction" in json.loads((tmp_path / "off" / "failure.json").read_text())["collapsed"]


def test_gradients_are_shortened_to_the_norm_that_is_asked(store: Path, tmp_path: Path) -> None:
    start = weights_of_start(store, tmp_path)
    without_decay = OptimizerConfig(weight_decay=0)
    pretrain(short(store, encoder=LINEAR, optimizer=without_decay, clip_norm=1e-6), tmp_path / "run")
    assert (flat_weights(tmp_path / "run") - start).norm() < 1e-5
    assert (pd.read_csv(tmp_path / "run" / "metrics.csv")["gradient_norm"] > 1e-3).all()


def weights_of_start(store: Path, folder: Path) -> torch.Tensor:
    still = OptimizerConfig(lr_per_256=1e-30, weight_decay=0)
    pretrain(short(store, encoder=LINEAR, optimizer=still, epochs=1), folder / "start")
    return flat_weights(folder / "start")


def test_a_run_starts_from_the_weights_of_another(store: Path, tmp_path: Path) -> None:
    pretrain(short(store, epochs=1, seed=5), tmp_path / "first")
    still = OptimizerConfig(lr_per_256=1e-30, weight_decay=0)
    start = tmp_path / "first" / "encoder.safetensors"
    pretrain(short(store, epochs=1, optimizer=still, initial_weights=start), tmp_path / "next")
    convolution = "network.layer2.0.conv1.weight"
    one, other = (load_file(tmp_path / name / "encoder.safetensors") for name in ("first", "next"))
    assert torch.equal(one[convolution], other[convolution])
    report = json.loads((tmp_path / "next" / "initial_weights.json").read_text())
    assert "layer2.0.conv1.weight" in report["loaded"]
    assert not report["missing"]
    assert not report["unused"]


def test_random_layers_draw_by_step_alone(store: Path, tmp_path: Path) -> None:
    """Dropout of a network of somebody else's must not break resuming to the bit."""
    dropping = EncoderConfig(name=f"{SMALL_METHODS}:Dropping", options={"pixels": 256}, feature_size=8)
    for name in ("one", "two"):
        torch.manual_seed(np.random.default_rng().integers(1000))
        before = torch.get_rng_state()
        pretrain(short(store, encoder=dropping), tmp_path / name)
        assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(flat_weights(tmp_path / "one"), flat_weights(tmp_path / "two"))
