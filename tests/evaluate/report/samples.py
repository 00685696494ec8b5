"""Records and text of studies for the tests of the report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

ARMS = {"simclr-probe": {"5/class": 0.92, "all": 0.95}, "supervised": {"5/class": 0.78, "all": 0.95}}
RECORD: dict[str, Any] = {
    "title": "Nodules with <few> labels",
    "positive": "nodule",
    "negative": "clear",
    "labels": {"all": 400},
    "notes": ["8 exact duplicates were removed."],
    "primary": {"arm": "simclr-probe", "budgets": ["5/class"]},
}
ATTACK = "<script>alert(1)</script>"


def write_study(folder: Path, record: dict[str, Any], table: pd.DataFrame) -> Path:
    """Write study.json and predictions.parquet."""
    folder.mkdir(exist_ok=True)
    (folder / "study.json").write_text(json.dumps(record))
    table.to_parquet(folder / "predictions.parquet")
    return folder
