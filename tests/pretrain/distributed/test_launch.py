"""Runs that `torchrun` starts: two gloo processes equal one, and a killed process costs nothing but time."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from medcl.config import dump
from medcl.pretrain import PretrainConfig, pretrain
from medcl.pretrain.distributed.launch import resolve_precision
from tests import killable
from tests.pretrain.stores import settings, store_of_images

torch.set_num_threads(1)
SCRIPT = Path(__file__).parents[3] / "configs" / "slurm" / "pretrain.sh"


TORCHRUN = ("-m", "torch.distributed.run", "--nnodes", "1", "--nproc-per-node", "2", "--max-restarts", "2")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> PretrainConfig:
    store = store_of_images(tmp_path_factory.mktemp("torchrun"))
    monitor = {"scans": 16, "every_epochs": 2}
    return settings(store, method={"name": "moco"}, epochs=6, monitor=monitor, checkpoint_every_s=0.0)


@pytest.fixture(scope="module")
def undisturbed(config: PretrainConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of two processes, with the variables that torchrun sets for each."""
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "config.yaml").write_text(dump(config))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}
    group = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "GROUP_RANK": "0", "TORCHELASTIC_RUN_ID": "none"}
    processes = [
        killable.start(
            "pretrain",
            folder / "config.yaml",
            "-o",
            folder / "run",
            environment={**place, **group, "RANK": rank, "LOCAL_RANK": rank},
        )
        for rank in "01"
    ]
    for process in processes:
        process.join(300)
        assert process.exitcode == 0
    assert (folder / "run" / "summary.json").is_file()
    return folder / "run"


def start(config: PretrainConfig, folder: Path) -> subprocess.Popen[str]:
    (folder / "config.yaml").write_text(dump(config))
    command = [sys.executable, *TORCHRUN, "--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0"]
    command += ["-m", "medcl", "pretrain", str(folder / "config.yaml"), "-o", str(folder / "run")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_two_processes_train_what_one_trains(
    config: PretrainConfig, undisturbed: Path, tmp_path: Path
) -> None:
    pretrain(config, tmp_path / "alone")
    logs = [pd.read_csv(run / "metrics.csv") for run in (tmp_path / "alone", undisturbed)]
    losses = [log["loss"].tolist() for log in logs]
    # Rounding differs, and training amplifies it: of 18 steps only the first can agree this well.
    assert losses[1][:6] == pytest.approx(losses[0][:6], rel=1e-5, abs=1e-5)
    assert losses[1] == pytest.approx(losses[0], rel=0.05, abs=1e-5)
    assert logs[1]["effective_rank"].count() == logs[0]["effective_rank"].count() == 3


@pytest.mark.slow
def test_a_killed_process_is_started_again_from_the_last_checkpoint(
    config: PretrainConfig, undisturbed: Path, tmp_path: Path
) -> None:
    agent = start(config, tmp_path)
    while not (tmp_path / "run" / "checkpoint.pt").exists():
        assert agent.poll() is None
        time.sleep(0.01)
    os.kill(worker_of(agent.pid), signal.SIGKILL)
    _, stderr = agent.communicate(timeout=300)
    assert agent.returncode == 0, stderr
    assert len(list((tmp_path / "run" / "events").iterdir())) == 2  # one log for each time it was started
    one, two = (load_file(run / "encoder.safetensors") for run in (undisturbed, tmp_path / "run"))
    assert all(torch.equal(one[name], two[name]) for name in one)


def worker_of(agent: int) -> int:
    """Return the process number of the first worker that an agent started."""
    children = Path(f"/proc/{agent}/task").glob("*/children")
    return min(int(number) for file in children for number in file.read_text().split())


def test_the_slurm_script_asks_for_what_was_given(tmp_path: Path) -> None:
    """Run with stand-ins for SLURM's commands, which print what they were asked."""
    for name, body in (("scontrol", "echo node1; echo node2"), ("srun", 'echo "$@"')):
        (tmp_path / name).write_text(f"#!/bin/bash\n{body}\n")
        (tmp_path / name).chmod(stat.S_IRWXU)
    job = {"SLURM_JOB_NODELIST": "node[1-2]", "SLURM_NNODES": "2", "SLURM_JOB_ID": "20005"}
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "SLURM_GPUS_ON_NODE": "8", **job}
    command = ["bash", str(SCRIPT), "a config.yaml", "run", "epochs=3"]
    stdout = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert "--nnodes=2 --nproc-per-node=8" in stdout
    assert "--rdzv-endpoint=node1:20005" in stdout
    assert stdout.endswith("-m medcl pretrain a config.yaml -o run epochs=3\n")


def test_automatic_precision_is_float32_on_every_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    assert resolve_precision("auto") == "32-true"
    assert resolve_precision("bf16-mixed") == "bf16-mixed"


@pytest.mark.parametrize(("native", "precision"), [(True, "bf16-mixed"), (False, "32-true")])
def test_automatic_precision_on_a_gpu_is_what_it_computes_natively(
    native: bool, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: native)
    assert resolve_precision("auto") == precision
