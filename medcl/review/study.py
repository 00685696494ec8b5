"""A study as the review app shows it: its record, tables and predictions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from medcl.errors import MedclError, UsageError
from medcl.evaluate import check_predictions, evaluate, read_predictions
from medcl.evaluate.analyses.controls import control_warnings
from medcl.evaluate.answer import answer
from medcl.evaluate.arms import BASELINE, on_clean_images
from medcl.evaluate.comparison import Primary, choose_primary
from medcl.evaluate.predictions import Panel, panel
from medcl.evaluate.study_record import StudyRecord, read_record
from medcl.store import Store

TABLES = ("arms", "cells", "differences")
Fingerprint = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class Study:
    """One study as the pages show it.

    Attributes:
        record: what the study says of itself.
        primary: the comparison that the answer speaks of.
        answer: the first sentence.
        warnings: what a control revealed.
        caveats: what must be known beside the figures.
        arms, cells, differences: the tables of `medcl.evaluate.Evaluation`.
        board: test probabilities, cells x scans.
    """

    record: StudyRecord
    primary: Primary
    answer: str
    warnings: list[str]
    caveats: list[str]
    arms: pd.DataFrame
    cells: pd.DataFrame
    differences: pd.DataFrame
    board: Panel
    patients: pd.Series

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

    def seeds(self, arm: str, budget: str) -> list[int]:
        """Return the seeds that `arm` was run with at `budget`."""
        return sorted(self.board.rows(arm, budget))

    def probability(self, arm: str, budget: str, seed: int) -> np.ndarray:
        """Return the cell's probabilities, in the order of `board.scan`."""
        return self.board.probability[self.board.rows(arm, budget)[seed]]

    def threshold(self, arm: str, budget: str, seed: int) -> float:
        """Return the threshold that the cell's validation scans chose."""
        return self._thresholds[arm, budget, seed]

    @cached_property
    def _thresholds(self) -> dict[tuple[str, str, int], float]:
        columns = (self.cells[name] for name in ("arm", "budget", "seed", "threshold"))
        return {(arm, budget, int(seed)): float(t) for arm, budget, seed, t in zip(*columns, strict=True)}


def load_study(folder: Path) -> Study:
    """Return the study in `folder`.

    Raises:
        UsageError: a file is missing or faulty.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder; name a study folder that 'medcl study' wrote")
    record = read_record(folder / "study.json", StudyRecord)
    table = read_predictions(folder / "predictions.parquet")
    caveats = check_predictions(table)
    clean = on_clean_images(table)
    stated = record.protocol is not None
    baseline = record.protocol.baseline if record.protocol else BASELINE
    primary = choose_primary(
        clean, baseline, record.protocol.as_primary() if record.protocol else None, record.controls
    )
    tables = _stored_tables(folder, clean)
    if tables is None:
        result = evaluate(
            table, baseline, primary if stated else None, labels=record.labels, arm_records=record.arms
        )
        tables = {name: getattr(result, name) for name in TABLES}
    board = panel(clean)
    return Study(
        record=record,
        primary=primary,
        answer=answer(primary, stated, tables["differences"]),
        warnings=control_warnings(tables["arms"], record.arms),
        caveats=caveats,
        board=board,
        patients=clean.drop_duplicates("scan").set_index("scan")["patient"].loc[board.scan],
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
    """Return the tables that the study computed from these predictions; None when they are not there."""
    paths = {name: folder / "tables" / f"{name}.csv" for name in TABLES}
    written = (folder / "predictions.parquet").stat().st_mtime_ns
    if not all(path.is_file() and path.stat().st_mtime_ns >= written for path in paths.values()):
        return None
    try:
        tables = {name: pd.read_csv(path, dtype={"arm": str, "budget": str}) for name, path in paths.items()}
        cells = set(tables["cells"][["arm", "budget", "seed"]].itertuples(index=False, name=None))
    except (ValueError, KeyError):
        return None
    told = predictions[["arm", "budget", "seed"]].drop_duplicates().itertuples(index=False, name=None)
    return tables if cells == set(told) else None


def fingerprint(folder: Path) -> Fingerprint:
    """Return name, size and time of every file that `load_study` reads."""
    names = ["study.json", "predictions.parquet", *(f"tables/{name}.csv" for name in TABLES)]
    states = [(name, (folder / name).stat()) for name in names if (folder / name).is_file()]
    return tuple((name, state.st_size, state.st_mtime_ns) for name, state in states)
