"""A study as the review app shows it: its record, tables and predictions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from medcl.errors import MedclError, UsageError
from medcl.evaluate import (
    CELL,
    Panel,
    Primary,
    StudyRecord,
    check_predictions,
    choose_primary,
    evaluate,
    make_panel,
    on_clean_images,
    read_predictions,
    read_record,
)
from medcl.evaluate.analyses import control_warnings
from medcl.evaluate.answer import answer
from medcl.names import SUPERVISED
from medcl.review.html import colors
from medcl.store import Store

TABLES = ("arms", "experiment_cells", "differences")
Fingerprint = tuple[tuple[str, int, int], ...]
CellKey = tuple[str, str, int]
"""Arm, budget and seed of an experiment cell."""


@dataclass(frozen=True)
class Study:
    """A study as the pages show it.

    Attributes:
        record: Record of the study.
        primary: The comparison that the answer is about.
        answer: First sentence.
        warnings: Controls that predict the label without the disease.
        caveats: Limits of the evidence.
        arms: Table of that name in `medcl.evaluate.Evaluation`.
        experiment_cells: Table of that name.
        differences: Table of that name.
        panel: Test probabilities, (experiment cells, scans).
        patients: Patient of each scan of `panel`.
        folder: Folder of the study.
    """

    record: StudyRecord
    primary: Primary
    answer: str
    warnings: list[str]
    caveats: list[str]
    arms: pd.DataFrame
    experiment_cells: pd.DataFrame
    differences: pd.DataFrame
    panel: Panel
    patients: pd.Series
    folder: Path

    @property
    def controls(self) -> list[str]:
        """Arms for which no claim is made."""
        return [arm for arm in self.arm_names if arm in self.record.arms and self.record.arms[arm].control]

    @property
    def arm_names(self) -> list[str]:
        """Arms in the order of the tables."""
        return list(dict.fromkeys(self.arms["arm"]))

    def description(self, arm: str) -> str:
        """Return what `arm` is; empty when the study does not say."""
        return self.record.arms[arm].description if arm in self.record.arms else ""

    @property
    def budgets(self) -> list[str]:
        """Budgets from fewest labels to most."""
        return list(dict.fromkeys(self.arms["budget"]))

    @property
    def first_budget(self) -> str:
        """The smallest budget of the primary comparison."""
        compared = [budget for budget in self.budgets if budget in self.primary.budgets]
        return (compared or self.budgets)[0]

    @property
    def colors(self) -> dict[str, str]:
        """Color of each arm."""
        return colors(self.arm_names, self.primary.baseline, self.controls)

    def seeds(self, arm: str, budget: str) -> list[int]:
        """Return the seeds that `arm` was run with at `budget`."""
        return sorted(self.panel.rows(arm, budget))

    def probability(self, arm: str, budget: str, seed: int) -> np.ndarray:
        """Return the probabilities of an experiment cell, in the order of `panel.scan`."""
        return np.asarray(self.panel.probability[self.panel.rows(arm, budget)[seed]])

    def threshold(self, arm: str, budget: str, seed: int) -> float:
        """Return the threshold (0..1) that was chosen on the cell's validation scans."""
        return float(np.clip(self._thresholds[arm, budget, seed], 0, 1))

    def scan_table(self, name: str) -> pd.DataFrame | None:
        """Return a table of `medcl.study.scan_tables`, a row per scan of `panel`; None if it is missing."""
        path = self.folder / f"{name}.parquet"
        if not path.is_file():
            return None
        return pd.read_parquet(path).set_index("scan").reindex(self.panel.scan)

    @cached_property
    def _thresholds(self) -> dict[CellKey, float]:
        columns = (self.experiment_cells[name] for name in (*CELL, "threshold"))
        return {(arm, budget, int(seed)): float(t) for arm, budget, seed, t in zip(*columns, strict=True)}


def load_study(folder: Path) -> Study:
    """Return the study in `folder`.

    Raises:
        UsageError: A file is missing or faulty.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder; name a study folder that 'medcl study' wrote")
    record = read_record(folder / "study.json", StudyRecord)
    table = read_predictions(folder / "predictions.parquet")
    caveats = check_predictions(table)
    clean = on_clean_images(table)
    stated = record.primary is not None
    baseline = record.primary.baseline if record.primary else SUPERVISED
    primary = choose_primary(clean, baseline, record.primary, record.controls)
    tables = _stored_tables(folder, clean)
    if tables is None:
        result = evaluate(
            table, baseline, primary if stated else None, labels=record.labels, arm_records=record.arms
        )
        tables = {name: getattr(result, name) for name in TABLES}
    panel = make_panel(clean)
    return Study(
        record=record,
        primary=primary,
        answer=answer(primary, stated, tables["differences"]),
        warnings=control_warnings(tables["arms"], record.arms),
        caveats=caveats,
        panel=panel,
        patients=clean.drop_duplicates("scan").set_index("scan")["patient"].loc[panel.scan],
        folder=folder,
        **tables,
    )


def load_store(folder: Path | None) -> tuple[Store | None, str]:
    """Return the store, or None and the reason."""
    if folder is None:
        return None, "The app was started without a store, so there are no pictures. Start it with --store."
    try:
        return Store.open(folder), ""
    except MedclError as error:
        return None, str(error)


def _stored_tables(folder: Path, predictions: pd.DataFrame) -> dict[str, pd.DataFrame] | None:
    """Return the tables that the report wrote for these predictions; None when they are missing or older."""
    paths = {name: folder / "tables" / f"{name}.csv" for name in TABLES}
    written = (folder / "predictions.parquet").stat().st_mtime_ns
    if not all(path.is_file() and path.stat().st_mtime_ns >= written for path in paths.values()):
        return None
    try:
        tables = {name: pd.read_csv(path, dtype={"arm": str, "budget": str}) for name, path in paths.items()}
        cells = set(tables["experiment_cells"][CELL].itertuples(index=False, name=None))
    except (ValueError, KeyError):
        return None
    predicted = predictions[CELL].drop_duplicates().itertuples(index=False, name=None)
    return tables if cells == set(predicted) else None


def fingerprint(folder: Path) -> Fingerprint:
    """Return name, size and time of every file that a study is read from."""
    names = ["study.json", *(f"tables/{name}.csv" for name in TABLES)]
    names += sorted(path.name for path in folder.glob("*.parquet"))
    states = [(name, (folder / name).stat()) for name in names if (folder / name).is_file()]
    return tuple((name, state.st_size, state.st_mtime_ns) for name, state in states)
