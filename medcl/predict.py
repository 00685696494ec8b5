"""Prediction of new scans with a trained model."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from medcl.archive import MODALITIES, Catalog, scan_archive
from medcl.errors import UsageError
from medcl.files import atomic
from medcl.finetune import Images, predict
from medcl.finetune.model import Model, ModelConfig
from medcl.store import Labels, Store, prepare, read_labels


def predict_archive(
    run: Path, archives: list[Path], out: Path, modality: str | None = None
) -> dict[str, Any]:
    """Predict every scan of `archives` and write a table.

    The table has `scan, patient, site, arm, budget, seed, probability, positive`. Scans of another modality
    or unit than the model's training data are skipped and counted.

    Args:
        run: Folder of a study or of a saved model.
        archives: Folders or files with scans.
        out: New `.parquet` or `.csv` file.
        modality: DICOM modality code of files that do not record one (NIfTI, images).

    Returns:
        Counts (`scans`, `positive`, `left_out`, `unreadable`, `files_not_used`), `model` and `out`.

    Raises:
        UsageError: there is no model, no scan that fits it, or `out` has another suffix or exists.
    """
    if out.suffix not in (".parquet", ".csv"):
        raise UsageError(f"{out}: name a .parquet or a .csv file")
    if out.exists():
        raise UsageError(f"{out} already exists; name a new file")
    model = Model.load(run)
    with tempfile.TemporaryDirectory(prefix="medcl-") as folder:
        catalog = scan_archive(archives, Path(folder) / "catalog")
        try:
            store = prepare(catalog, Path(folder) / "store", _labels(catalog, modality))
        finally:
            catalog.forget()
        rows = _matching_rows(store, model.config, model.images)
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


def _labels(catalog: Catalog, modality: str | None) -> Labels:
    """Return the archive's labels with `modality` for the scans whose files record none."""
    labels = read_labels(catalog, None)
    if modality is None:
        return labels
    if modality.upper() not in MODALITIES:
        raise UsageError(f"--modality {modality}: not a DICOM modality; write CT, MR, US, DX, ...")
    unknown = catalog.scans.loc[catalog.scans["modality"] == "unknown", "scan"]
    return replace(labels, modality=dict.fromkeys(unknown, modality.upper()))


def _matching_rows(store: Store, config: ModelConfig, images: Images) -> np.ndarray:
    """Return the rows with the modality, unit and kind of the model's training data."""
    matches = store.scans["unit"].isin(config.units) & store.scans["modality"].isin(config.modalities)
    if images.volumes_only:
        matches &= store.scans["kind"] == "volume"
    rows = np.flatnonzero(matches)
    if not len(rows):
        modalities = ", ".join(sorted(set(store.scans["modality"])))
        kind = "volumes of " if images.volumes_only else ""
        raise UsageError(
            f"the model was trained on {kind}{', '.join(config.modalities)} in {', '.join(config.units)}, "
            f"the archive has {modalities}; if its files record no modality, state it with --modality"
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
