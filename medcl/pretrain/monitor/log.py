"""What a run tells while it goes on: its bar, its table of measures, its event log."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from torch.utils.tensorboard import SummaryWriter

from medcl.files import write_table, write_text
from medcl.progress import bar


class RunLog:
    """One row of measures a step, written by process zero.

    Attributes:
        rows: the measures of every step so far; those of the last one may still be added to.
    """

    def __init__(self, run: Path, steps: int, rows: list[dict[str, float]], writes: bool) -> None:
        self.run, self.rows = run, rows
        self._writer = SummaryWriter(run / "events") if writes else None
        self._bar = bar("pretrain", steps, len(rows), "step") if writes else None

    def add(self, row: dict[str, float]) -> None:
        """Tell a step's measures; `step` and `loss` are among them."""
        self.rows.append(row)
        self._scalars(row, int(row["step"]))
        if self._bar is not None:
            self._bar.set_postfix(loss=f"{row['loss']:.3f}", refresh=False)
            self._bar.update()

    def add_measures(self, measures: dict[str, float], picture: Figure) -> None:
        """Add what was measured after the last step, and its picture."""
        self.rows[-1] |= measures
        step = int(self.rows[-1]["step"])
        self._scalars(measures, step)
        if self._writer is not None:
            self._writer.add_figure("pretrain/embedding", picture, step)

    def _scalars(self, row: dict[str, float], step: int) -> None:
        if self._writer is not None:
            for name, value in row.items():
                self._writer.add_scalar(f"pretrain/{name}", value, step)

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        if self._bar is not None:
            self._bar.write(f"pretrain: {text}", file=self._bar.fp)

    def save(self, name: str) -> None:
        """Write the table into the run's folder, as parquet or CSV."""
        table, path = pd.DataFrame(self.rows), self.run / name
        if path.suffix == ".csv":
            write_text(table.to_csv(index=False), path)
        else:
            write_table(table, path)

    def close(self) -> None:
        """Close the bar and the event log."""
        for part in (self._bar, self._writer):
            if part is not None:
                part.close()
