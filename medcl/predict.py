"""Using a fitted model on scans that it has never seen."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from medcl.archive import scan_archive
from medcl.errors import UsageError
from medcl.files import atomic
from medcl.finetune import predict
from medcl.finetune.model import Model
from medcl.store import prepare


def predict_archive(run: Path, archives: list[Path], out: Path) -> dict[str, Any]:
    """Predict every scan of `archives` and write a table.

    The table has `scan, patient, site, arm, budget, seed, probability, positive`. Scans in another unit
    than the model was trained on are left out and counted: their numbers mean something else.

    Args:
        run: a study, or a model's folder.
        archives: folders or files with scans.
        out: `.parquet` or `.csv`.

    Raises:
        UsageError: no model, no scan that fits it, or an output that is neither kind of file.
    """
    if out.suffix not in (".parquet", ".csv"):
        raise UsageError(f"{out}: name a .parquet or a .csv file")
    model = Model.load(run)
    with tempfile.TemporaryDirectory(prefix="medcl-") as folder:
        catalog = scan_archive(archives, Path(folder) / "catalog")
        store = prepare(catalog, Path(folder) / "store")
        rows = np.flatnonzero(store.scans["unit"].isin(model.config.units))
        if not len(rows):
            raise UsageError(f"no scan is in the model's unit ({', '.join(model.config.units)})")
        probability = predict(model.classifier, store, rows, model.images)
        table = store.scans.loc[rows, ["scan", "patient", "site"]].assign(
            arm=model.config.arm,
            budget=model.config.budget,
            seed=model.config.seed,
            probability=probability,
            positive=probability >= model.config.threshold,
        )
        left_out, faults = len(store) - len(rows), len(store.facts["faults"])
        not_used = int((catalog.ledger["state"] != "used").sum())
    with atomic(out) as temporary:
        table.to_csv(temporary, index=False) if out.suffix == ".csv" else table.to_parquet(
            temporary, index=False
        )
    return {
        "scans": len(table),
        "positive": int(table["positive"].sum()),
        "other_unit": left_out,
        "unreadable": faults,
        "files_not_used": not_used,
        "model": f"{model.config.arm} at {model.config.budget}",
        "out": str(out),
    }
