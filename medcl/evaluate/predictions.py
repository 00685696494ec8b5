"""The predictions table, which all evaluation reads: its checks, and its test part as a matrix."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from medcl.errors import UsageError
from medcl.evaluate.arms import on_clean_images
from medcl.names import SPLITS

COLUMNS = ("scan", "patient", "site", "arm", "budget", "seed", "split", "truth", "probability")
CELL = ["arm", "budget", "seed"]
"""Columns that identify an experiment cell."""


def read_predictions(path: Path) -> pd.DataFrame:
    """Read a predictions table.

    Raises:
        UsageError: The file is missing or is not a parquet table.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such file; run the study that writes it, or name a study folder")
    return read_table(path)


def read_table(path: Path) -> pd.DataFrame:
    """Read a parquet table.

    Raises:
        UsageError: The file is not a parquet table.
    """
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: not a parquet table: {' '.join(str(error).split())[:120]}") from None


def check_predictions(table: pd.DataFrame) -> list[str]:
    """Check a predictions table and return the caveats that every report of it must show.

    The table has one row per experiment cell and scan, with the columns `COLUMNS`: names of scan, patient and
    site; arm, budget and seed of the cell; split ("train", "val", "test"); truth (0 or 1); probability of the
    positive class (0..1).

    Raises:
        UsageError: A fault that makes metrics meaningless; the message says what to do.
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
        _refuse("the table has no rows", "let the study finish at least one cell")
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
            "the model diverged or the scan contains no numbers; run that cell again",
        )
    outside = (table["probability"] < 0) | (table["probability"] > 1)
    if outside.any():
        row = table[outside].iloc[0]
        _refuse(
            f"{outside.sum()} probabilities are outside 0..1, first in {_name(row)}, scan {row['scan']}",
            "apply the sigmoid or softmax before writing",
        )


def _name(row: pd.Series) -> str:
    return f"cell {row['arm']}, {row['budget']}, seed {row['seed']}"


def _check_cells(table: pd.DataFrame) -> None:
    repeated = table.duplicated([*CELL, "scan"], keep=False)
    if repeated.any():
        row = table[repeated].iloc[0]
        splits = table.loc[repeated & (table["scan"] == row["scan"]), "split"].nunique()
        fault = "is in two splits" if splits > 1 else "is listed twice"
        _refuse(f"scan {row['scan']} {fault} of {_name(row)}", "write each scan once per cell")
    patients = table[[*CELL, "patient", "split"]].drop_duplicates()
    leaks = patients.duplicated([*CELL, "patient"])
    if leaks.any():
        row = patients[leaks].iloc[0]
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
            f"the test split of {_name(single.iloc[0])} contains one class only",
            "AUROC needs both; pool the folds or stratify the splits by label",
        )


def _caveats(table: pd.DataFrame) -> list[str]:
    caveats = []
    cells = table[CELL].drop_duplicates()
    validation = table[table["split"] == "val"].groupby(CELL)["truth"].nunique()
    without = len(cells) - len(validation)
    if without:
        caveats.append(
            f"{without} of {len(cells)} experiment cells have no validation split: "
            "threshold 0.5 was used there."
        )
    if (validation < 2).any():
        caveats.append(
            f"{(validation < 2).sum()} of {len(cells)} experiment cells have a validation split "
            "of one class: threshold 0.5 was used there."
        )
    few = cells.groupby(["arm", "budget"]).size()
    if (few < 5).any():
        caveats.append(
            f"{(few < 5).sum()} of {len(few)} pairs of arm and budget have fewer than 5 seeds "
            f"(fewest: {few.min()}): their intervals say little about how results vary with the labels drawn."
        )
    return caveats


def _test_set_caveats(test: pd.DataFrame) -> list[str]:
    caveats = []
    scans = test.groupby("scan").size()
    common = scans == len(test[CELL].drop_duplicates())
    if not common.any():
        _refuse(
            "the experiment cells have no test scan in common, so arms cannot be compared",
            "predict the same test patients in every cell, or pool folds into one cell",
        )
    if not common.all():
        caveats.append(
            f"Cells were tested on different scans; all results use the {common.sum()} of {len(scans)} test "
            "scans that all cells share."
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
    """The test predictions of all experiment cells on the scans that they share.

    Attributes:
        scan: Names of the scans, (n,).
        patient: Index of each scan's patient, 0..m-1, (n,).
        truth: Whether each scan is positive, (n,) bool.
        cells: Columns arm, budget, seed; one row per experiment cell.
        probability: Probability of the positive class, (cells, n) float64.
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
    def one_scan_per_patient(self) -> bool:
        """Whether each patient has one scan, so that scans are independent."""
        return self.patients == len(self.patient)

    @cached_property
    def _rows(self) -> dict[tuple[str, str], dict[int, int]]:
        rows: dict[tuple[str, str], dict[int, int]] = {}
        for row, (arm, budget, seed) in enumerate(self.cells.itertuples(index=False, name=None)):
            rows.setdefault((arm, budget), {})[seed] = row
        return rows

    def rows(self, arm: str, budget: str) -> dict[int, int]:
        """Return the row of `cells` of each seed, by ascending seed; empty where there is no such cell."""
        return self._rows.get((arm, budget), {})


def make_panel(table: pd.DataFrame) -> Panel:
    """Return the test rows of a checked table as a (cells, scans) matrix, both in order of name."""
    test = table[table["split"] == "test"]
    wide = test.pivot(index="scan", columns=CELL, values="probability").dropna().sort_index(axis=1)
    scans = test.drop_duplicates("scan").set_index("scan").loc[wide.index]
    patient, _ = pd.factorize(scans["patient"], sort=True)
    return Panel(
        scan=wide.index.to_numpy(),
        patient=patient,
        truth=scans["truth"].to_numpy() == 1,
        cells=wide.columns.to_frame(index=False),
        probability=np.ascontiguousarray(wide.to_numpy(dtype=float).T),
    )
