"""The log of a run: its progress bar, its table of measures, its event file for TensorBoard."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

from matplotlib.figure import Figure
from torch.utils.tensorboard import SummaryWriter

from medcl.progress import bar


class RunLog:
    """One row of measures per step, written by process zero as the run goes; only the last is in memory.

    Args:
        run: Folder of the run.
        steps: Steps of the whole run.
        row: Measures of the last step that is done, empty for a new run; what an interrupted run logged of
            later steps is cut off.
        measures: Names that `add_measures` may give.
        writes: Whether this process shows the bar and writes table and event file.

    Attributes:
        row: The measures of the last step; they may still be added to until the next step or `flush`.
    """

    def __init__(
        self, run: Path, steps: int, row: dict[str, float], measures: Sequence[str], writes: bool
    ) -> None:
        self.row, self._unwritten = row, False
        done = int(row.get("step", 0))
        self._writer = SummaryWriter(run / "events") if writes else None
        self._table = StepTable(run / "metrics.csv", done, measures) if writes else None
        self._bar = bar("pretrain", steps, done, "step") if writes else None

    def add_step(self, row: dict[str, float]) -> None:
        """Log the measures of a step; `step`, which is the first, and `loss` are among them."""
        self._write_row()
        self.row, self._unwritten = row, True
        self._add_scalars(row, int(row["step"]))
        if self._bar is not None:
            self._bar.set_postfix(loss=f"{row['loss']:.3f}", refresh=False)
            self._bar.update()

    def add_measures(self, measures: dict[str, float], figure: Figure) -> None:
        """Add what was measured after the last step, and the figure of the features."""
        self.row |= measures
        step = int(self.row["step"])
        self._add_scalars(measures, step)
        if self._writer is not None:
            self._writer.add_figure("pretrain/embedding", figure, step)

    def _add_scalars(self, row: dict[str, float], step: int) -> None:
        if self._writer is not None:
            for name, value in row.items():
                self._writer.add_scalar(f"pretrain/{name}", value, step)

    def _write_row(self) -> None:
        if self._unwritten and self._table is not None:
            self._table.append(self.row)
        self._unwritten = False

    def print(self, text: str) -> None:
        """Print a line above the bar."""
        if self._bar is not None:
            self._bar.write(f"pretrain: {text}", file=self._bar.fp)

    def flush(self) -> None:
        """Bring all rows to disk."""
        self._write_row()
        if self._table is not None:
            self._table.sync()

    def close(self) -> None:
        """Write the last row, and close table, bar and event file."""
        self._write_row()
        for resource in (self._table, self._bar, self._writer):
            if resource is not None:
                resource.close()


class StepTable:
    """A CSV file to which a row is appended for each step.

    Args:
        path: The file; rows of steps after `done` are cut off it.
        done: Number of the last step that is done.
        further: Columns beside those of the first row.
    """

    def __init__(self, path: Path, done: int, further: Sequence[str]) -> None:
        self._columns, self._further = _cut(path, done), further
        self._stream: TextIO = path.open("a", buffering=1, encoding="utf-8", newline="")
        self._writer = csv.DictWriter(self._stream, self._columns, lineterminator="\n")

    def append(self, row: Mapping[str, float]) -> None:
        """Write a row; what it lacks is empty."""
        if not self._columns:
            self._columns.extend([*row, *[name for name in self._further if name not in row]])
            self._writer.writeheader()
        self._writer.writerow(row)

    def sync(self) -> None:
        """Bring what was written to disk."""
        self._stream.flush()
        os.fsync(self._stream.fileno())

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


def _cut(path: Path, done: int) -> list[str]:
    """Cut off the rows of steps after `done`, and a row that is incomplete; return the columns."""
    if not path.is_file():
        return []
    with path.open("r+b") as stream:
        header = stream.readline()
        end = len(header) if done and header.endswith(b"\n") else 0
        while end and (line := stream.readline()).endswith(b"\n") and int(line.split(b",", 1)[0]) <= done:
            end += len(line)
        stream.truncate(end)
    return header.decode().rstrip("\n").split(",") if end else []
