"""Subgroups: whether an arm does as well for some patients as for the others."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from medcl.errors import UsageError
from medcl.evaluate.analyses.resampling import Resampled
from medcl.statistics import areas, counts, rates

MIN_PATIENTS = 10
"""Patients of each class, below which the results of a group are withheld."""

MEASURES = ("auroc", "recall", "specificity")


def subgroups(resampled: Resampled, groups: pd.DataFrame, arm: str, budget: str) -> pd.DataFrame:
    """Return the results of an arm in each group at its common threshold, and the gap to all other patients.

    Groups with fewer than `MIN_PATIENTS` of a class, or whose rest has fewer, are listed without results, and
    without their prevalence, which would reveal the diagnosis of a group of one.

    Args:
        resampled: Bootstrap draws.
        groups: Column scan and one column per variable (site, sex, age, ...); numbers of more than 6 values
            are cut at their quartiles, a missing value is a group "not recorded".
        arm: The arm.
        budget: The label budget.

    Returns:
        Columns variable, group, scans, patients, prevalence, suppressed, and for auroc, recall and
        specificity the value and the gap, each with _low and _high.

    Raises:
        UsageError: `groups` has no column scan, or contains a scan twice.
    """
    if "scan" not in groups or groups["scan"].duplicated().any():
        raise UsageError("groups: the table needs a column 'scan' that names each scan once")
    aligned = groups.set_index("scan").reindex(resampled.panel.scan)
    rows = []
    for variable, name, member in _groups(aligned):
        size = _size(resampled, member)
        row = {"variable": variable, "group": name, **size}
        if not size["suppressed"]:
            row |= _compare(resampled, member, arm, budget)
        rows.append(row)
    return pd.DataFrame(rows)


def _groups(aligned: pd.DataFrame) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield variable, name and members (n,) of each group."""
    for variable in aligned.columns:
        values = aligned[variable]
        if values.notna().sum() == 0:
            continue
        if pd.api.types.is_numeric_dtype(values) and values.nunique() > 6:
            values = _quartiles(values)
        names = (
            sorted(values.dropna().unique().tolist()) if values.dtype != "category" else values.cat.categories
        )
        for name in names:
            yield str(variable), str(name), (values == name).to_numpy()
        if values.isna().any():
            yield str(variable), "not recorded", values.isna().to_numpy()


def _quartiles(values: pd.Series) -> pd.Series:
    """Return each number's quartile, named by the smallest and the largest number in it, in order."""
    quartile = pd.qcut(values, 4, labels=False, duplicates="drop")
    ends = values.groupby(quartile).agg(["min", "max"])
    names = {code: f"{low:g} to {high:g}" for code, low, high in ends.itertuples(name=None)}
    return quartile.map(names).astype(pd.CategoricalDtype(list(names.values()), ordered=True))


def _size(resampled: Resampled, member: np.ndarray) -> dict[str, object]:
    panel = resampled.panel
    patients = [
        len(set(panel.patient[part & (panel.truth == value)]))
        for part in (member, ~member)
        for value in (False, True)
    ]
    few = min(patients) < MIN_PATIENTS
    return {
        "scans": int(member.sum()),
        "patients": len(set(panel.patient[member])),
        "prevalence": float("nan") if few else float(panel.truth[member].mean()),
        "suppressed": few,
    }


def _compare(resampled: Resampled, member: np.ndarray, arm: str, budget: str) -> dict[str, float]:
    panel = resampled.panel

    def statistic(row: int, weights: np.ndarray) -> np.ndarray:
        called = panel.probability[row] >= resampled.points[row][0].threshold
        measures = []
        for part in (member, ~member):
            truth, probability = panel.truth[part], panel.probability[row][part]
            rate = rates(counts(truth, called[part], weights[part]))
            area = areas(truth, probability, weights[part])[0]
            measures.append(np.stack([area, rate["recall"], rate["specificity"]]))
        return np.concatenate([measures[0], measures[0] - measures[1]])

    samples = resampled.samples(list(panel.rows(arm, budget).values()), statistic)
    names = (*MEASURES, *(f"{name}_gap" for name in MEASURES))
    row: dict[str, float] = {}
    for name, sample in zip(names, samples, strict=True):
        low, high = sample.interval()
        row |= {name: sample.value, f"{name}_low": low, f"{name}_high": high}
    return row
