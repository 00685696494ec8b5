"""The log of a run: one row per step, in a table and for TensorBoard, by process zero alone."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from medcl.pretrain.monitor.log import RunLog


def test_measures_join_the_row_of_their_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = RunLog(tmp_path, 3, [{"step": 1, "loss": 3.0}], writes=True)
    log.add_step({"step": 2, "loss": 2.0})
    log.add_measures({"rank": 5.0}, Figure())
    log.add_step({"step": 3, "loss": 1.0})
    log.print("epoch 1: collapsed")
    log.close()
    assert log.rows[1] == {"step": 2, "loss": 2.0, "rank": 5.0}
    printed = capsys.readouterr()
    assert "pretrain: epoch 1: collapsed" in printed.err
    assert "3/3" in printed.err
    assert printed.out == ""
    events = EventAccumulator(str(tmp_path / "events")).Reload()
    assert [(e.step, e.value) for e in events.Scalars("pretrain/loss")] == [(2, 2.0), (3, 1.0)]
    assert [(e.step, e.value) for e in events.Scalars("pretrain/rank")] == [(2, 5.0)]
    assert [image.step for image in events.Images("pretrain/embedding")] == [2]


def test_other_processes_write_and_print_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = RunLog(tmp_path, 2, [], writes=False)
    log.add_step({"step": 1, "loss": 2.0})
    log.add_measures({"rank": 5.0}, Figure())
    log.print("text")
    log.close()
    assert not list(tmp_path.iterdir())
    assert capsys.readouterr() == ("", "")
    assert log.rows == [{"step": 1, "loss": 2.0, "rank": 5.0}]


@pytest.mark.parametrize("name", ["metrics.csv", "metrics.parquet"])
def test_the_table_is_csv_or_parquet_by_its_name(tmp_path: Path, name: str) -> None:
    RunLog(tmp_path, 2, [{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.5, "rank": 4.0}], False).save(name)
    read = pd.read_csv if name.endswith("csv") else pd.read_parquet
    table = read(tmp_path / name)
    assert table["loss"].tolist() == [2.0, 1.5]
    assert table["rank"].isna().tolist() == [True, False]
