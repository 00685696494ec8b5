"""Experiment cells: computed once, in one process or several, with sound predictions and costs."""

from __future__ import annotations

import time
from pathlib import Path
from threading import Thread

import pandas as pd
import pytest

from medcl.errors import WorkFailed
from medcl.evaluate import check_predictions
from medcl.finetune import (
    ArmContext,
    Budget,
    plan_experiment_cells,
    run_experiment_cells,
)
from tests.finetune.samples import PLAIN, TRAINING
from tests.killable import pools_of_the_server, started


def test_cells_are_computed_once_and_make_sound_predictions(context: ArmContext, tmp_path: Path) -> None:
    budgets = [Budget.parse("5/class"), Budget.parse("50%")]
    cells = plan_experiment_cells(["simclr-probe", "random-probe"], budgets, [0, 1])
    predictions, costs = run_experiment_cells(context, cells, tmp_path, "simclr")
    assert not [caveat for caveat in check_predictions(predictions) if "patient" in caveat]
    assert len(costs) == 8
    stamps = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    (tmp_path / f"{cells[0].name}.parquet").unlink()
    again, _ = run_experiment_cells(context, cells, tmp_path, "simclr")
    pd.testing.assert_frame_equal(again, predictions)
    changed = {path.name for path in tmp_path.iterdir() if stamps[path.name] != path.stat().st_mtime_ns}
    assert changed == {f"{cells[0].name}.parquet", f"{cells[0].name}.json"}


def test_cells_computed_side_by_side_are_the_same(
    context: ArmContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pools_of_the_server(monkeypatch)
    arms = ["simclr-probe", "simclr-finetune", "classical", "shuffled-labels"]
    few = ArmContext(
        context.task, context.images, TRAINING.model_copy(update={"steps": 4}), context.pretrained, PLAIN
    )
    cells = plan_experiment_cells(arms, [Budget.parse("5/class")], [0, 1])
    alone, _ = run_experiment_cells(few, cells, tmp_path / "alone", "simclr")
    together, costs = run_experiment_cells(few, cells, tmp_path / "together", "simclr", workers=2)
    pd.testing.assert_frame_equal(alone, together, check_exact=False, atol=1e-6)
    assert len(costs) == 8


def test_a_killed_worker_ends_the_run_with_one_line_and_keeps_what_was_done(
    context: ArmContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill_one() -> None:
        while len(workers := started()) < 2:
            time.sleep(0.01)
        workers[0].kill()

    pools_of_the_server(monkeypatch)
    cells = plan_experiment_cells(["simclr-probe"], [Budget.parse("5/class")], range(12))
    run_experiment_cells(context, cells[:1], tmp_path, "simclr")
    before = (tmp_path / f"{cells[0].name}.parquet").stat().st_mtime_ns
    Thread(target=kill_one, daemon=True).start()
    with pytest.raises(WorkFailed, match="run the same command again"):
        run_experiment_cells(context, cells, tmp_path, "simclr", workers=2)
    assert not started()
    assert len(list(tmp_path.glob("*.parquet"))) < 12
    assert (tmp_path / f"{cells[0].name}.parquet").stat().st_mtime_ns == before


def test_costs_tell_the_trials(context: ArmContext, tmp_path: Path) -> None:
    cells = plan_experiment_cells(["simclr-probe", "supervised"], [Budget.parse("5/class")], [0])
    _, costs = run_experiment_cells(context, cells, tmp_path, "simclr")
    assert costs["candidates"].tolist() == [10, 10]
