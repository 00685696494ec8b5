"""Checks of the one table that all evaluation reads, and its test part laid out for fast arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from medcl.errors import UsageError
from medcl.evaluate.arms import on_clean_images

COLUMNS = ("scan", "patient", "site", "arm", "budget", "seed", "split", "truth", "probability")
CELL = ["arm", "budget", "seed"]
SPLITS = ("train", "val", "test")


def read_predictions(path: Path) -> pd.DataFrame:
    """Read a predictions table.

    Raises:
        UsageError: the file is missing or is no parquet table.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such file; run the study that writes it, or name a study folder")
    return read_table(path)


def read_table(path: Path) -> pd.DataFrame:
    """Read a parquet table.

    Raises:
        UsageError: it is none.
    """
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: not a parquet table: {' '.join(str(error).split())[:120]}") from None


def check_predictions(table: pd.DataFrame) -> list[str]:
    """Check a predictions table and return the caveats that every report of it must show.

    Raises:
        UsageError: a fault that makes any metric meaningless; the line names it and says what to do.
    """
    _check_columns(table)
    _check_values(table)
    _check_cells(table)
    return _caveats(on_clean_images(table)) + _test_set_caveats(table[table["split"] == "test"])


def _refuse(fault: str, remedy: str) -> None:
    raise UsageError(f"predictions: {fault}; {remedy}")


def _check_columns(table: pd.DataFrame) -> None:
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        _refuse(f"column {missing[0]!r} is missing", f"the columns are {', '.join(COLUMNS)}")
    if table.empty:
        _refuse("the table has no row", "let the study finish at least one cell")
    for name in ("scan", "patient", "arm", "budget", "split"):
        values = table[name]
        if values.isna().any() or not all(isinstance(value, str) and value for value in values.unique()):
            _refuse(f"column {name!r} must hold non-empty strings", f"write {name} as text in every row")
    if not pd.api.types.is_integer_dtype(table["seed"]) or table["seed"].isna().any():
        _refuse("column 'seed' must hold integers", "write seed as a whole number in every row")


def _check_values(table: pd.DataFrame) -> None:
    for name in ("truth", "probability"):
        if not pd.api.types.is_numeric_dtype(table[name]):
            _refuse(f"column {name!r} must hold numbers", f"write {name} as a number in every row")
    unknown = sorted(set(table["split"]) - set(SPLITS))
    if unknown:
        _refuse(f"split {unknown[0]!r} is unknown", "use train, val or test")
    wrong_truth = ~table["truth"].isin([0, 1])
    if wrong_truth.any():
        row = table[wrong_truth].iloc[0]
        _refuse(f"scan {row['scan']} has truth {row['truth']}", "truth is 0 or 1")
    missing = ~np.isfinite(table["probability"].to_numpy(dtype=float))
    if missing.any():
        row = table[missing].iloc[0]
        _refuse(
            f"{missing.sum()} probabilities are NaN or infinite, first in {_name(row)}, scan {row['scan']}",
            "the model diverged or the scan holds no number; repeat that cell",
        )
    outside = (table["probability"] < 0) | (table["probability"] > 1)
    if outside.any():
        row = table[outside].iloc[0]
        _refuse(
            f"{outside.sum()} probabilities lie outside 0..1, first in {_name(row)}, scan {row['scan']}",
            "apply the sigmoid or softmax before writing",
        )


def _name(row: pd.Series) -> str:
    return f"cell {row['arm']}, {row['budget']}, seed {row['seed']}"


def _check_cells(table: pd.DataFrame) -> None:
    twice = table.duplicated([*CELL, "scan"], keep=False)
    if twice.any():
        row = table[twice].iloc[0]
        splits = table.loc[twice & (table["scan"] == row["scan"]), "split"].nunique()
        fault = "stands in two splits" if splits > 1 else "stands twice"
        _refuse(f"scan {row['scan']} {fault} of {_name(row)}", "write each scan once a cell")
    placed = table[[*CELL, "patient", "split"]].drop_duplicates()
    leaks = placed.duplicated([*CELL, "patient"])
    if leaks.any():
        row = placed[leaks].iloc[0]
        _refuse(
            f"patient {row['patient']} is in two splits of {_name(row)} ({leaks.sum()} times in all cells)",
            "split by patient",
        )
    for name in ("truth", "patient"):
        several = table.groupby("scan")[name].nunique() > 1
        if several.any():
            _refuse(
                f"scan {several.idxmax()} has more than one {name}", f"give each scan one {name} in all cells"
            )
    test = table[table["split"] == "test"]
    untested = table[CELL].drop_duplicates().merge(test[CELL].drop_duplicates(), how="left", indicator=True)
    untested = untested[untested["_merge"] == "left_only"]
    if len(untested):
        _refuse(f"{_name(untested.iloc[0])} has no test scan", "predict the test split in every cell")
    classes = test.groupby(CELL)["truth"].nunique().reset_index()
    single = classes[classes["truth"] < 2]
    if len(single):
        _refuse(
            f"the test split of {_name(single.iloc[0])} holds one class only",
            "AUROC needs both; pool the folds or split stratified by label",
        )


def _caveats(table: pd.DataFrame) -> list[str]:
    caveats = []
    cells = table[CELL].drop_duplicates()
    validation = table[table["split"] == "val"].groupby(CELL)["truth"].nunique()
    without = len(cells) - len(validation)
    if without:
        caveats.append(
            f"{without} of {len(cells)} cells have no validation split: threshold 0.5 was used there."
        )
    if (validation < 2).any():
        caveats.append(
            f"{(validation < 2).sum()} of {len(cells)} cells have a validation split of one class: "
            "threshold 0.5 was used there."
        )
    few = cells.groupby(["arm", "budget"]).size()
    if (few < 5).any():
        caveats.append(
            f"{(few < 5).sum()} of {len(few)} pairs of arm and budget have fewer than 5 seeds "
            f"(least {few.min()}): their intervals know little of how results vary with the labels drawn."
        )
    return caveats


def _test_set_caveats(test: pd.DataFrame) -> list[str]:
    caveats = []
    scans = test.groupby("scan").size()
    common = scans == len(test[CELL].drop_duplicates())
    if not common.any():
        _refuse(
            "the cells share no test scan, so arms cannot be compared",
            "predict the same test patients in every cell, or pool folds into one cell",
        )
    if not common.all():
        caveats.append(
            f"Cells were tested on different scans; everything below uses the {common.sum()} of {len(scans)} "
            "that all cells share."
        )
    shared = test[test["scan"].isin(scans.index[common])].drop_duplicates("scan")
    patients = shared.groupby("truth")["patient"].nunique()
    if len(patients) < 2:
        _refuse(
            "the test scans that all cells share are of one class",
            "predict the same test patients everywhere",
        )
    if patients.min() < 10:
        caveats.append(
            f"The test set has {patients.min()} patients in its smaller class: "
            "intervals from so few are unreliable."
        )
    return caveats


@dataclass(frozen=True)
class Panel:
    """The test predictions of all cells on the scans that they share.

    Attributes:
        scan: (n,) names of the scans.
        patient: (n,) index of each scan's patient, 0..m-1.
        truth: (n,) bool.
        cells: arm, budget, seed; one row a cell.
        probability: (cells, n) float64.
    """

    scan: np.ndarray
    patient: np.ndarray
    truth: np.ndarray
    cells: pd.DataFrame
    probability: np.ndarray

    @property
    def patients(self) -> int:
        """Number of test patients."""
        return int(self.patient.max()) + 1

    @property
    def one_scan_a_patient(self) -> bool:
        """Whether scans are as independent as patients."""
        return self.patients == len(self.patient)

    @cached_property
    def _row_of(self) -> dict[tuple[str, str], dict[int, int]]:
        found: dict[tuple[str, str], dict[int, int]] = {}
        for row, (arm, budget, seed) in enumerate(self.cells.itertuples(index=False, name=None)):
            found.setdefault((arm, budget), {})[seed] = row
        return found

    def rows(self, arm: str, budget: str) -> dict[int, int]:
        """Return seed -> row of `cells`, by ascending seed; empty without such a cell."""
        return self._row_of.get((arm, budget), {})


def panel(table: pd.DataFrame) -> Panel:
    """Lay out the test rows of a checked table as a (cells, scans) matrix, both in order of name."""
    test = table[table["split"] == "test"]
    wide = test.pivot(index="scan", columns=CELL, values="probability").dropna().sort_index(axis=1)
    of_scan = test.drop_duplicates("scan").set_index("scan").loc[wide.index]
    patient, _ = pd.factorize(of_scan["patient"], sort=True)
    return Panel(
        scan=wide.index.to_numpy(),
        patient=patient,
        truth=of_scan["truth"].to_numpy() == 1,
        cells=wide.columns.to_frame(index=False),
        probability=np.ascontiguousarray(wide.to_numpy(dtype=float).T),
    )
