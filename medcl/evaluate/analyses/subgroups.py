"""Whether an arm does as well for some patients as for the rest."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from medcl.errors import UsageError
from medcl.evaluate.analyses.resampling import Resampled
from medcl.statistics.metrics import areas, counts, rates

LEAST = 10  # patients of each class
MEASURES = ("auroc", "recall", "specificity")
ENDS = ("value", "low", "high")


def subgroups(found: Resampled, groups: pd.DataFrame, arm: str, budget: str) -> pd.DataFrame:
    """Return how `arm` does in each group at its own common threshold, and the gap to all other patients.

    Groups with fewer than 10 patients of a class, or whose rest has fewer, are named; their results are
    withheld, and their prevalence too, which would tell the diagnosis of a group of one.

    Args:
        groups: column scan and one column a variable (site, sex, age, ...); numbers of more than 6 values are
            cut at their quartiles, a missing value is a group "not recorded".

    Returns:
        variable, group, scans, patients, prevalence, suppressed, and for auroc, recall and specificity the
        value and the gap, each with _low and _high.

    Raises:
        UsageError: `groups` has no column scan, or a scan twice.
    """
    if "scan" not in groups or groups["scan"].duplicated().any():
        raise UsageError("groups: the table needs a column 'scan' that names each scan once")
    board = found.panel
    aligned = groups.set_index("scan").reindex(board.scan)
    rows = []
    for variable, name, member in _groups(aligned):
        facts = _facts(found, member)
        row = {"variable": variable, "group": name, **facts}
        if not facts["suppressed"]:
            row |= _compare(found, member, arm, budget)
        rows.append(row)
    return pd.DataFrame(rows)


def _groups(aligned: pd.DataFrame) -> Iterator[tuple[str, str, np.ndarray]]:
    for variable in aligned.columns:
        values = aligned[variable]
        if values.notna().sum() == 0:
            continue
        if pd.api.types.is_numeric_dtype(values) and values.nunique() > 6:
            values = _quarters(values)
        names = (
            sorted(values.dropna().unique().tolist()) if values.dtype != "category" else values.cat.categories
        )
        for name in names:
            yield str(variable), str(name), (values == name).to_numpy()
        if values.isna().any():
            yield str(variable), "not recorded", values.isna().to_numpy()


def _quarters(values: pd.Series) -> pd.Series:
    """Return each number's quartile, named by the least and the greatest number in it, in order."""
    quarter = pd.qcut(values, 4, labels=False, duplicates="drop")
    ends = values.groupby(quarter).agg(["min", "max"])
    names = {code: f"{low:g} to {high:g}" for code, low, high in ends.itertuples(name=None)}
    return quarter.map(names).astype(pd.CategoricalDtype(list(names.values()), ordered=True))


def _facts(found: Resampled, member: np.ndarray) -> dict[str, object]:
    board = found.panel
    of_class = [len(set(board.patient[member & (board.truth == value)])) for value in (False, True)]
    others = [len(set(board.patient[~member & (board.truth == value)])) for value in (False, True)]
    few = min(*of_class, *others) < LEAST
    return {
        "scans": int(member.sum()),
        "patients": len(set(board.patient[member])),
        "prevalence": float("nan") if few else float(board.truth[member].mean()),
        "suppressed": few,
    }


def _compare(found: Resampled, member: np.ndarray, arm: str, budget: str) -> dict[str, float]:
    board = found.panel

    def statistic(row: int, weights: np.ndarray) -> np.ndarray:
        called = board.probability[row] >= found.points[row][0].threshold
        parts = []
        for chosen in (member, ~member):
            kept = weights[chosen]
            truth, probability = board.truth[chosen], board.probability[row][chosen]
            rate = rates(counts(truth, called[chosen], kept))
            parts.append(np.stack([areas(truth, probability, kept)[0], rate["recall"], rate["specificity"]]))
        return np.concatenate([parts[0], parts[0] - parts[1]])

    samples = found.samples(list(board.rows(arm, budget).values()), statistic)
    names = (*MEASURES, *(f"{name}_gap" for name in MEASURES))
    row: dict[str, float] = {}
    for name, sample in zip(names, samples, strict=True):
        low, high = sample.interval()
        row |= {name: sample.value, f"{name}_low": low, f"{name}_high": high}
    return row
