"""Using a fitted model on scans that it has never seen."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from medcl.archive import Catalog, scan_archive
from medcl.archive.vocabulary import MODALITIES
from medcl.errors import UsageError
from medcl.files import atomic
from medcl.finetune import Images, predict
from medcl.finetune.model import Model, ModelConfig
from medcl.store import Labels, Store, prepare, read_labels


def predict_archive(
    run: Path, archives: list[Path], out: Path, modality: str | None = None
) -> dict[str, Any]:
    """Predict every scan of `archives` and write a table.

    The table has `scan, patient, site, arm, budget, seed, probability, positive`. Scans of another unit or
    modality than the model was trained on are left out and counted: their numbers mean something else.

    Args:
        run: a study, or a model's folder.
        archives: folders or files with scans.
        out: `.parquet` or `.csv`, a new file.
        modality: DICOM code of the files that cannot say it (NIfTI, pictures).

    Raises:
        UsageError: no model, no scan that fits it, or an output that is neither kind of file or is there.
    """
    if out.suffix not in (".parquet", ".csv"):
        raise UsageError(f"{out}: name a .parquet or a .csv file")
    if out.exists():
        raise UsageError(f"{out} already exists; name a new file")
    model = Model.load(run)
    with tempfile.TemporaryDirectory(prefix="medcl-") as folder:
        catalog = scan_archive(archives, Path(folder) / "catalog")
        try:
            store = prepare(catalog, Path(folder) / "store", _stated(catalog, modality))
        finally:
            catalog.forget()
        rows = _fitting(store, model.config, model.images)
        probability = predict(model.classifier, store, rows, model.images)
        table = _table(store, rows, probability, model.config)
        left_out, faults = len(store) - len(rows), len(store.record["faults"])
        not_used = int((catalog.ledger["state"] != "used").sum())
    with atomic(out) as temporary:
        if out.suffix == ".csv":
            table.to_csv(temporary, index=False)
        else:
            table.to_parquet(temporary, index=False)
    return {
        "scans": len(table),
        "positive": int(table["positive"].sum()),
        "left_out": left_out,
        "unreadable": faults,
        "files_not_used": not_used,
        "model": f"{model.config.arm} at {model.config.budget}",
        "out": str(out),
    }


def _stated(catalog: Catalog, modality: str | None) -> Labels:
    """Believe `modality` of the scans whose files do not say theirs."""
    own = read_labels(catalog, None)
    if modality is None:
        return own
    if modality.upper() not in MODALITIES:
        raise UsageError(f"--modality {modality}: no DICOM modality; write CT, MR, US, DX, ...")
    silent = catalog.scans.loc[catalog.scans["modality"] == "unknown", "scan"]
    return replace(own, modality=dict.fromkeys(silent, modality.upper()))


def _fitting(store: Store, config: ModelConfig, images: Images) -> np.ndarray:
    """Return the rows that are what the model was trained on."""
    fits = store.scans["unit"].isin(config.units) & store.scans["modality"].isin(config.modalities)
    if images.of_volumes:
        fits &= store.scans["kind"] == "volume"
    rows = np.flatnonzero(fits)
    if not len(rows):
        there = ", ".join(sorted(set(store.scans["modality"])))
        shown = "volumes of " if images.of_volumes else ""
        raise UsageError(
            f"the model was trained on {shown}{', '.join(config.modalities)} in {', '.join(config.units)}, "
            f"the archive has {there}; if its files cannot say what they are, state it with --modality"
        )
    return rows


def _table(store: Store, rows: np.ndarray, probability: np.ndarray, config: ModelConfig) -> pd.DataFrame:
    return store.scans.loc[rows, ["scan", "patient", "site"]].assign(
        arm=config.arm,
        budget=config.budget,
        seed=config.seed,
        probability=probability,
        positive=probability >= config.threshold,
    )
