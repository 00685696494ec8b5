"""The log of a run: one row per step, in a table and for TensorBoard, by process zero alone."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from medcl.pretrain.monitor.log import RunLog


def test_measures_join_the_row_of_their_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = RunLog(tmp_path, 3, {"step": 1, "loss": 3.0}, ["rank"], writes=True)
    log.add_step({"step": 2, "loss": 2.0})
    log.add_measures({"rank": 5.0}, Figure())
    assert log.row == {"step": 2, "loss": 2.0, "rank": 5.0}
    log.add_step({"step": 3, "loss": 1.0})
    log.print("epoch 1: collapsed")
    log.close()
    assert (tmp_path / "metrics.csv").read_text() == "step,loss,rank\n2,2.0,5.0\n3,1.0,\n"
    printed = capsys.readouterr()
    assert "pretrain: epoch 1: collapsed" in printed.err
    assert "3/3" in printed.err
    assert printed.out == ""
    events = EventAccumulator(str(tmp_path / "events")).Reload()
    assert [(e.step, e.value) for e in events.Scalars("pretrain/loss")] == [(2, 2.0), (3, 1.0)]
    assert [(e.step, e.value) for e in events.Scalars("pretrain/rank")] == [(2, 5.0)]
    assert [image.step for image in events.Images("pretrain/embedding")] == [2]


def test_other_processes_write_and_print_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = RunLog(tmp_path, 2, {}, ["rank"], writes=False)
    log.add_step({"step": 1, "loss": 2.0})
    log.add_measures({"rank": 5.0}, Figure())
    log.print("text")
    log.flush()
    log.close()
    assert not list(tmp_path.iterdir())
    assert capsys.readouterr() == ("", "")
    assert log.row == {"step": 1, "loss": 2.0, "rank": 5.0}


def test_rows_are_on_disk_while_the_run_goes_on(tmp_path: Path) -> None:
    log = RunLog(tmp_path, 9, {}, ["rank"], writes=True)
    for step in (1, 2, 3):
        log.add_step({"step": step, "loss": 1 / step})
    assert pd.read_csv(tmp_path / "metrics.csv")["step"].tolist() == [1, 2]
    log.flush()
    table = pd.read_csv(tmp_path / "metrics.csv")
    assert table["loss"].tolist() == [1.0, 0.5, 1 / 3]
    assert table["rank"].isna().all()
    log.close()


@pytest.mark.parametrize("torn", ["", "4,0.2", "4,0.25,\n5,"])
@pytest.mark.parametrize(("done", "kept"), [(2, [1, 2]), (0, [])])
def test_a_resumed_run_cuts_off_what_came_after_its_checkpoint(
    tmp_path: Path, torn: str, done: int, kept: list[int]
) -> None:
    (tmp_path / "metrics.csv").write_text(f"step,loss,rank\n1,1.0,\n2,0.5,7.0\n3,0.3,\n{torn}")
    log = RunLog(tmp_path, 9, {"step": done, "loss": 0.5} if done else {}, ["rank"], writes=True)
    log.add_step({"step": done + 1, "loss": 0.1})
    log.close()
    table = pd.read_csv(tmp_path / "metrics.csv")
    assert table["step"].tolist() == [*kept, done + 1]
    assert table["loss"].iloc[-1] == 0.1
    assert list(table) == ["step", "loss", "rank"]
