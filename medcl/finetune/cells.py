"""The cells of a study, arm by budget by seed: each computed once, written whole, and skipped when there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from medcl.errors import UsageError, WorkFailed
from medcl.files import read_json, write_json, write_table
from medcl.finetune.arms.base import ArmContext, ArmResult
from medcl.finetune.arms.registry import arm_names
from medcl.finetune.budgets import Budget, Labeled, draw_labels
from medcl.finetune.resources import Meter
from medcl.finetune.task import Task
from medcl.finetune.training import Classifier
from medcl.processes import BrokenProcessPool, worker_pool
from medcl.progress import track


@dataclass(frozen=True)
class Cell:
    """One arm at one budget with one seed."""

    arm: str
    budget: Budget
    seed: int

    @property
    def name(self) -> str:
        """File name without suffix."""
        budget = self.budget.text.replace("/", "-per-").replace("%", "-percent")
        return f"{self.arm}_{budget}_{self.seed}"


def plan_cells(
    arms: Sequence[str], budgets: Sequence[Budget], seeds: Sequence[int], method: str
) -> list[Cell]:
    """List the cells, seed by seed.

    Raises:
        UsageError: an arm that does not exist.
    """
    known = arm_names(method)
    for arm in arms:
        if arm not in known:
            raise UsageError(f"arm '{arm}' does not exist; there are: {', '.join(known)}")
    return [Cell(arm, budget, seed) for seed in seeds for budget in budgets for arm in arms]


def run_cells(
    context: ArmContext, cells: Sequence[Cell], folder: Path, method: str, workers: int = 1
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compute the cells that are not in `folder` yet, in as many processes as asked.

    Returns:
        The predictions of all cells (see the house's predictions table) and their costs: `arm, budget,
        seed, seconds, processor_seconds, peak_mib, parameters, candidates, train_labels, val_labels` and what was
        `chosen` on validation.

    Raises:
        UsageError: a budget is larger than a class; raised before the first cell is computed.
        WorkFailed: a worker process was killed.
    """
    for cell in cells:
        draw_labels(context.task, cell.budget, cell.seed)
    missing = [cell for cell in cells if not (folder / f"{cell.name}.parquet").is_file()]
    done = (
        map(partial(_compute, context, method, folder), missing)
        if workers == 1
        else _in_processes(context, missing, folder, method, workers)
    )
    for _ in track(done, "study", total=len(missing), unit="cell"):
        pass
    parts = list(_read(cells, folder))
    return pd.concat([table for table, _ in parts], ignore_index=True), pd.DataFrame(
        [cost for _, cost in parts]
    )


def _read(cells: Sequence[Cell], folder: Path) -> Iterator[tuple[pd.DataFrame, dict[str, object]]]:
    for cell in cells:
        yield pd.read_parquet(folder / f"{cell.name}.parquet"), read_json(folder / f"{cell.name}.json")


def _in_processes(
    context: ArmContext, cells: Sequence[Cell], folder: Path, method: str, workers: int
) -> Iterator[None]:
    """Compute cells side by side; those that are finished stay, whatever becomes of the others."""
    threads = max(1, torch.get_num_threads() // workers)
    try:
        with worker_pool(workers, _enter, (context, method, folder, threads)) as pool:
            for future in as_completed([pool.submit(_compute_here, cell) for cell in cells]):
                yield future.result()
    except BrokenProcessPool:
        raise WorkFailed(
            f"{folder}: a worker process was killed, perhaps for want of memory; "
            "run the same command again, with fewer --workers"
        ) from None


def _enter(context: ArmContext, method: str, folder: Path, threads: int) -> None:
    torch.set_num_threads(threads)
    _HERE["compute"] = partial(_compute, context, method, folder)


def _compute_here(cell: Cell) -> None:
    _HERE["compute"](cell)


_HERE: dict[str, Callable[[Cell], None]] = {}
"""What a worker process was started with."""


def _compute(context: ArmContext, method: str, folder: Path, cell: Cell) -> None:
    task, arm = context.task, arm_names(method)[cell.arm]
    labeled = draw_labels(task, cell.budget, cell.seed)
    rows = np.concatenate([labeled.val, task.test])
    with Meter() as meter:
        outcome = arm(context, labeled, cell.seed, rows)
    write_json(_cost(cell, outcome, labeled, meter), folder / f"{cell.name}.json")
    write_table(_predictions(task, cell, rows, len(labeled.val), outcome), folder / f"{cell.name}.parquet")


def _cost(cell: Cell, outcome: ArmResult, labeled: Labeled, meter: Meter) -> dict[str, object]:
    return {
        "arm": cell.arm,
        "budget": cell.budget.text,
        "seed": cell.seed,
        "seconds": round(meter.seconds, 3),
        "processor_seconds": round(meter.processor_seconds, 3),
        "peak_mib": meter.peak_mib,
        "parameters": outcome.parameters or _parameters(outcome.classifier),
        "candidates": outcome.candidates,
        "train_labels": labeled.train.size,
        "val_labels": labeled.val.size,
        "chosen": ", ".join(f"{name}={value:.6g}" for name, value in outcome.chosen.items()),
    }


def _parameters(classifier: Classifier | None) -> int:
    return 0 if classifier is None else sum(p.numel() for p in classifier.parameters())


def _predictions(
    task: Task, cell: Cell, rows: np.ndarray, validation: int, outcome: ArmResult
) -> pd.DataFrame:
    scans = task.store.scans.iloc[rows]
    return pd.DataFrame(
        {
            "scan": scans["scan"].to_numpy(),
            "patient": scans["patient"].to_numpy(),
            "site": scans["site"].to_numpy(),
            "arm": cell.arm,
            "budget": cell.budget.text,
            "seed": cell.seed,
            "split": ["val"] * validation + ["test"] * (len(rows) - validation),
            "truth": task.truth[rows],
            "probability": outcome.probability,
        }
    )
