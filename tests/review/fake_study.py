"""A small study folder made of fictitious numbers and pictures, as `medcl study` would leave it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from medcl.files import write_json, write_table

ARMS = {"simclr-probe": 1.6, "supervised": 1.0, "random-probe": 0.5}
BUDGETS = {"5/class": 0.6, "20/class": 1.0, "all": 1.5}


def predictions(
    scans: int = 60, seeds: int = 3, arms: dict[str, float] | None = None, seed: int = 0
) -> pd.DataFrame:
    """Return a valid predictions table in which arms differ by a known separation."""
    rng = np.random.default_rng(seed)
    truth = np.arange(scans) % 2
    split = np.where(np.arange(scans) % 10 < 2, "val", "test")
    parts = []
    for arm, skill in (arms or ARMS).items():
        for budget, gain in BUDGETS.items():
            for run in range(seeds):
                score = skill * gain * (truth * 2 - 1) + rng.normal(0, 1.2, scans)
                parts.append(
                    pd.DataFrame(
                        {
                            "scan": [f"s-{i:016x}" for i in range(scans)],
                            "patient": [f"p-{i:016x}" for i in range(scans)],
                            "site": "site-1",
                            "arm": arm,
                            "budget": budget,
                            "seed": run,
                            "split": split,
                            "truth": truth,
                            "probability": 1 / (1 + np.exp(-score)),
                        }
                    )
                )
    return pd.concat(parts, ignore_index=True)


def record(**changes: object) -> dict[str, object]:
    """Return the content of a study.json."""
    return {
        "title": "Liver lesions on CT",
        "question": "Does contrastive pretraining help with few labels?",
        "positive": "abnormal",
        "negative": "healthy",
        "synthetic": True,
        "primary": {
            "arm": "simclr-probe",
            "baseline": "supervised",
            "metric": "auroc",
            "budgets": ["5/class"],
        },
        "arms": {"random-probe": {"description": "linear probe on a random encoder", "control": True}},
        "labels": {"5/class": 10, "20/class": 40, "all": 200},
    } | changes


def write_study(folder: Path, table: pd.DataFrame | None = None, **changes: object) -> Path:
    """Write a study folder and return it."""
    write_table(predictions() if table is None else table, folder / "predictions.parquet")
    write_json(record(**changes), folder / "study.json")
    return folder


def write_embeddings(folder: Path) -> None:
    """Write a table of scans, in another order than the predictions: x is the number of the scan, y is 1."""
    scans = sorted(set(predictions()["scan"]), reverse=True)
    numbers = [int(scan.removeprefix("s-"), 16) for scan in scans]
    write_table(pd.DataFrame({"scan": scans, "x": numbers, "y": 1.0}), folder / "embeddings.parquet")
