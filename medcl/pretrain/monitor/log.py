"""The log of a run: its progress bar, its table of measures, its event file for TensorBoard."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from torch.utils.tensorboard import SummaryWriter

from medcl.files import write_table, write_text
from medcl.progress import bar


class RunLog:
    """One row of measures per step, written by process zero.

    Args:
        run: Folder of the run.
        steps: Steps of the whole run.
        rows: Measures of the steps that are done; new ones are appended.
        writes: Whether this process shows the bar and writes the event file.

    Attributes:
        rows: The measures of every step so far; those of the last one may still be added to.
    """

    def __init__(self, run: Path, steps: int, rows: list[dict[str, float]], writes: bool) -> None:
        self.run, self.rows = run, rows
        self._writer = SummaryWriter(run / "events") if writes else None
        self._bar = bar("pretrain", steps, len(rows), "step") if writes else None

    def add_step(self, row: dict[str, float]) -> None:
        """Log the measures of a step; `step` and `loss` are among them."""
        self.rows.append(row)
        self._add_scalars(row, int(row["step"]))
        if self._bar is not None:
            self._bar.set_postfix(loss=f"{row['loss']:.3f}", refresh=False)
            self._bar.update()

    def add_measures(self, measures: dict[str, float], figure: Figure) -> None:
        """Add what was measured after the last step, and the figure of the features."""
        self.rows[-1] |= measures
        step = int(self.rows[-1]["step"])
        self._add_scalars(measures, step)
        if self._writer is not None:
            self._writer.add_figure("pretrain/embedding", figure, step)

    def _add_scalars(self, row: dict[str, float], step: int) -> None:
        if self._writer is not None:
            for name, value in row.items():
                self._writer.add_scalar(f"pretrain/{name}", value, step)

    def print(self, text: str) -> None:
        """Print a line above the bar."""
        if self._bar is not None:
            self._bar.write(f"pretrain: {text}", file=self._bar.fp)

    def save(self, name: str) -> None:
        """Write the table into the folder of the run, as parquet or CSV."""
        table, path = pd.DataFrame(self.rows), self.run / name
        if path.suffix == ".csv":
            write_text(table.to_csv(index=False), path)
        else:
            write_table(table, path)

    def close(self) -> None:
        """Close the bar and the event file."""
        for resource in (self._bar, self._writer):
            if resource is not None:
                resource.close()
