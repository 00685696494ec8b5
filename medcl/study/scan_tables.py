"""The tables with a row per scan that a study writes, each declared here once; the app shows them by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from medcl.files import write_table
from medcl.finetune import ArmContext
from medcl.store import SUBGROUP_COLUMNS


def _groups(context: ArmContext) -> pd.DataFrame:
    """Return what is known of patients and scanners, for the subgroup analysis."""
    scans = context.task.store.scans
    columns = [name for name in (*SUBGROUP_COLUMNS, "manufacturer") if name in scans]
    return scans[["scan", *columns]].dropna(axis="columns", how="all")


def _embeddings(context: ArmContext) -> pd.DataFrame:
    """Return the two principal components, `x` and `y`, of each scan's features of the pretrained encoder."""
    features = context.features().astype(np.float64)
    deviations = features - features.mean(axis=0)
    axes = np.linalg.eigh(deviations.T @ deviations)[1][:, :-3:-1]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), range(axes.shape[1])])
    x, y = (deviations @ axes).T
    return pd.DataFrame({"scan": context.task.store.scans["scan"], "x": x, "y": y})


SCAN_TABLES: dict[str, Callable[[ArmContext], pd.DataFrame]] = {
    "groups": _groups,
    "embeddings": _embeddings,
}
"""How each table is computed, by the name of its parquet file; its column `scan` names each scan once."""


def write_scan_tables(context: ArmContext, out: Path) -> None:
    """Write the tables that are not yet in the study folder `out`."""
    for name, compute in SCAN_TABLES.items():
        path = out / f"{name}.parquet"
        if not path.is_file():
            write_table(compute(context), path)
