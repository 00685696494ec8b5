"""The plan of a run from the command line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from medcl.cli import main
from medcl.config import dump
from medcl.errors import UsageError
from medcl.pretrain.cost.measure_rates import measure_rates, plan_run
from medcl.pretrain.cost.plan import Rates, plan
from tests.pretrain.stores import settings, store_of_images

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return store_of_images(tmp_path_factory.mktemp("rehearsal"))


def test_a_plan_is_printed_and_nothing_is_run(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.yaml").write_text(dump(settings(store, batch_size=1024, epochs=10)))
    command = ["medcl", "pretrain", str(tmp_path / "config.yaml"), "--plan"]
    monkeypatch.setattr("sys.argv", [*command, "--scans", "1000000", "--gpus", "64"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    stdout = capsys.readouterr().out
    assert "simclr on 1,000,000 scans, 10 epochs, 64 processes" in stdout
    assert "9,760 steps" in stdout
    assert "gathered embeddings 1.0 MB" in stdout
    assert re.search(r"store: .* in 65 shards, table .* GB; read per process and step: 4.1 kB", stdout)
    assert re.search(r"start of a process: .* s .* of memory before the network; \d+ open files", stdout)
    assert "measured here on cpu, 16 scans per step" in stdout
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]


def test_hours_follow_from_the_measured_rates(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = settings(store)
    measured = measure_rates(config, processes=2)
    assert measured.scans == 16
    assert measured.trained_per_s > 0
    assert measured.viewed_per_s > 0
    monkeypatch.setattr("medcl.pretrain.cost.measure_rates.measure_rates", lambda *_: measured)
    rates = Rates(measured.trained_per_s, measured.viewed_per_s, 1e9)
    planned = plan(config.method, measured.parameters, 1_000_000, 2, 32, 2, rates)
    text = plan_run(config, 1_000_000, 2, 1.0)
    assert f"{planned.hours:.1f} h" in text
    network, views = f"{measured.trained_per_s:.1f}", f"{measured.viewed_per_s:.1f}"
    assert re.search(rf"network {network}, views {views} scans/s", text)


def test_a_batch_that_does_not_divide_is_refused_before_anything_is_measured(store: Path) -> None:
    with pytest.raises(UsageError, match="multiple of 5 processes"):
        measure_rates(settings(store), processes=5)
