"""Experiment cells: arm by budget by seed, each computed once, written whole, and skipped when complete."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from medcl.errors import WorkFailed
from medcl.files import read_json, write_json, write_table
from medcl.finetune.arms import ArmContext, ArmResult, ArmSpec, find_arms
from medcl.finetune.budgets import Budget, LabeledScans, draw_labels
from medcl.finetune.classifier import Classifier
from medcl.finetune.resources import ResourceMonitor
from medcl.finetune.task import Task
from medcl.processes import BrokenProcessPool, worker_pool
from medcl.progress import track


@dataclass(frozen=True)
class ExperimentCell:
    """One arm at one budget with one seed."""

    arm: str
    budget: Budget
    seed: int

    @property
    def name(self) -> str:
        """File name without suffix."""
        budget = self.budget.text.replace("/", "-per-").replace("%", "-percent")
        return f"{self.arm}_{budget}_{self.seed}"


def plan_experiment_cells(
    arms: Sequence[str], budgets: Sequence[Budget], seeds: Sequence[int]
) -> list[ExperimentCell]:
    """List the cells, seed by seed."""
    return [ExperimentCell(arm, budget, seed) for seed in seeds for budget in budgets for arm in arms]


def run_experiment_cells(
    context: ArmContext, cells: Sequence[ExperimentCell], folder: Path, method: str, workers: int = 1
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compute the cells that are not in `folder` yet.

    Args:
        context: What all arms share.
        cells: Cells to compute or to read.
        folder: Where the files of each cell are.
        method: Name of the pretraining method.
        workers: Processes that compute cells side by side.

    Returns:
        The predictions of all cells (`scan, patient, site, arm, budget, seed, split, truth, probability`)
        and their costs: `arm, budget, seed, seconds, processor_seconds, peak_mib, parameters, candidates,
        train_labels, val_labels` and what was `selected` on validation.

    Raises:
        UsageError: An arm does not exist, or a budget is larger than a class; before any cell is computed.
        WorkFailed: A worker process was killed.
    """
    arms = find_arms(dict.fromkeys(cell.arm for cell in cells), method)
    for cell in cells:
        draw_labels(context.task, cell.budget, cell.seed)
    missing = [cell for cell in cells if not (folder / f"{cell.name}.parquet").is_file()]
    compute = partial(_compute, context, arms, folder)
    done = map(compute, missing) if workers == 1 else _in_processes(compute, missing, folder, workers)
    for _ in track(done, "study", total=len(missing), unit="cell"):
        pass
    predictions = [pd.read_parquet(folder / f"{cell.name}.parquet") for cell in cells]
    costs = [read_json(folder / f"{cell.name}.json") for cell in cells]
    return pd.concat(predictions, ignore_index=True), pd.DataFrame(costs)


def _in_processes(
    compute: Callable[[ExperimentCell], None], cells: Sequence[ExperimentCell], folder: Path, workers: int
) -> Iterator[None]:
    """Compute cells side by side; those that are finished remain if another fails."""
    threads = max(1, torch.get_num_threads() // workers)
    try:
        with worker_pool(workers, _start_worker, (compute, threads)) as pool:
            for future in as_completed([pool.submit(_compute_in_worker, cell) for cell in cells]):
                yield future.result()
    except BrokenProcessPool:
        raise WorkFailed(
            f"{folder}: a worker process was killed, possibly out of memory; "
            "run the same command again, with fewer --workers"
        ) from None


def _start_worker(compute: Callable[[ExperimentCell], None], threads: int) -> None:
    torch.set_num_threads(threads)
    _WORKER["compute"] = compute


def _compute_in_worker(cell: ExperimentCell) -> None:
    _WORKER["compute"](cell)


_WORKER: dict[str, Callable[[ExperimentCell], None]] = {}
"""Set when a worker process starts, so that the context is sent once and not with every cell."""


def _compute(context: ArmContext, arms: Mapping[str, ArmSpec], folder: Path, cell: ExperimentCell) -> None:
    labeled = draw_labels(context.task, cell.budget, cell.seed)
    rows = np.concatenate([labeled.val, context.task.test])
    with ResourceMonitor() as resources:
        result = arms[cell.arm].run(context, labeled, cell.seed, rows)
    predictions = _predictions(context.task, cell, rows, len(labeled.val), result)
    write_json(_costs(cell, result, labeled, resources), folder / f"{cell.name}.json")
    write_table(predictions, folder / f"{cell.name}.parquet")


def _costs(
    cell: ExperimentCell, result: ArmResult, labeled: LabeledScans, resources: ResourceMonitor
) -> dict[str, object]:
    return {
        "arm": cell.arm,
        "budget": cell.budget.text,
        "seed": cell.seed,
        "seconds": round(resources.seconds, 3),
        "processor_seconds": round(resources.processor_seconds, 3),
        "peak_mib": resources.peak_mib,
        "parameters": result.parameters or _count_parameters(result.classifier),
        "candidates": result.candidates,
        "train_labels": labeled.train.size,
        "val_labels": labeled.val.size,
        "selected": ", ".join(f"{name}={value:.6g}" for name, value in result.selected.items()),
    }


def _count_parameters(classifier: Classifier | None) -> int:
    return 0 if classifier is None else sum(p.numel() for p in classifier.parameters())


def _predictions(
    task: Task, cell: ExperimentCell, rows: np.ndarray, validation: int, result: ArmResult
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
            "truth": task.truth[rows].astype(int),
            "probability": result.probability,
        }
    )
