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
from medcl.files import atomic, check_utf8
from medcl.finetune import Images, Model, ModelConfig, predict
from medcl.store import Labels, Store, count_reasons, prepare, read_labels, reason_text


def predict_archive(
    run: Path, archives: list[Path], out: Path, modality: str | None = None, follow_links: bool = False
) -> dict[str, Any]:
    """Predict every scan of `archives` and write a table.

    The table has `scan, patient, site, arm, budget, seed, probability, positive`. Every scan that is not in
    it is counted by reason: left out by `prepare`, or of another modality, unit or kind than the model's
    training data.

    Args:
        run: Folder of a study or of a saved model.
        archives: Folders or files with scans.
        out: New `.parquet` or `.csv` file.
        modality: DICOM modality code of files that do not record one (NIfTI, images).
        follow_links: Whether links in the archives are followed.

    Returns:
        Counts (`scans`, `positive`; by reason: `left_out` of scans, `files_not_used`), `model` and `out`.

    Raises:
        UsageError: there is no model, no scan that fits it, or `out` has another suffix or exists.
    """
    if out.suffix not in (".parquet", ".csv"):
        raise UsageError(f"{out}: name a .parquet or a .csv file")
    check_utf8(out)
    if out.exists():
        raise UsageError(f"{out} already exists; name a new file")
    model = Model.load(run)
    with tempfile.TemporaryDirectory(prefix="medcl-") as folder:
        located = Catalog.located()
        catalog = scan_archive(archives, Path(folder) / "catalog", follow_links=follow_links)
        try:
            labels, form = _labels(catalog, modality), model.config.store_form
            store = prepare(catalog, Path(folder) / "store", labels, form=form)
        finally:
            if catalog.identity not in located:  # an earlier catalog of the same files needs its locator
                catalog.forget()
        mismatch = _mismatches(store, model.config, model.images)
        rows = np.flatnonzero(mismatch == "")
        left_out = _left_out(store, mismatch)
        if not len(rows):
            raise _nothing_to_predict(model.config, model.images, left_out)
        probability = predict(model.classifier, store, rows, model.images)
        table = _table(store, rows, probability, model.config)
        ledger = catalog.ledger
        unused = ledger.loc[ledger["state"] != "used", "reason"]
    with atomic(out) as temporary:
        if out.suffix == ".csv":
            table.to_csv(temporary, index=False)
        else:
            table.to_parquet(temporary, index=False)
    return {
        "scans": len(table),
        "positive": int(table["positive"].sum()),
        "left_out": left_out,
        "files_not_used": count_reasons(unused),
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


def _mismatches(store: Store, config: ModelConfig, images: Images) -> np.ndarray:
    """Return for each row why it does not fit the model's training data, or an empty text."""
    scans = store.scans
    return np.select(
        [
            ~scans["modality"].isin(config.modalities),
            (scans["kind"] != "volume") & images.volumes_only,
            ~scans["unit"].isin(config.units),
        ],
        ["OTHER_MODALITY", "NOT_A_VOLUME", "OTHER_UNIT"],
        "",
    )


def _left_out(store: Store, mismatch: np.ndarray) -> dict[str, int]:
    """Count the scans that are not predicted, by reason; exact copies are predicted like any scan."""
    reasons = pd.read_parquet(store.folder / "left_out.parquet")["reason"]
    unread = reasons[~reasons.isin(["EXACT_COPY", "CONFLICTING_LABELS"])]
    return count_reasons([*unread, *mismatch])


def _nothing_to_predict(config: ModelConfig, images: Images, left_out: dict[str, int]) -> UsageError:
    kind = "volumes of " if images.volumes_only else ""
    counts = "; ".join(f"{count} {code} ({reason_text(code)})" for code, count in left_out.items())
    return UsageError(
        f"the model was trained on {kind}{', '.join(config.modalities)} in {', '.join(config.units)}, and no "
        f"scan fits it: {counts}"
    )


def _table(store: Store, rows: np.ndarray, probability: np.ndarray, config: ModelConfig) -> pd.DataFrame:
    return store.scans.loc[rows, ["scan", "patient", "site"]].assign(
        arm=config.arm,
        budget=config.budget,
        seed=config.seed,
        probability=probability,
        positive=probability >= config.threshold,
    )
