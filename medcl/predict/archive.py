"""Prediction of every scan of an archive: a table of probabilities, and counts of what is not in it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from medcl import __version__
from medcl.archive import MODALITIES, Catalog, pseudonym, scan_archive
from medcl.errors import UsageError
from medcl.files import check_utf8
from medcl.finetune import Images, Model, ModelConfig
from medcl.predict.parts import Parts
from medcl.predict.reading import SCANS_PER_TASK, ReadTask, ScanViews, read_ahead
from medcl.predict.scoring import score
from medcl.progress import bar
from medcl.store import Labels, count_reasons, read_labels, reason_text
from medcl.store.image_types import read_image_types
from medcl.store.left_out import nothing_to_prepare, reasons_before_reading
from medcl.store.people import unite_patients

SCANS_PER_PART = 128
"""Scans whose results are written together; a killed run loses one part at most."""


def predict_archive(
    run: Path,
    archives: list[Path],
    out: Path,
    modality: str | None = None,
    follow_links: bool = False,
    workers: int = 1,
) -> dict[str, Any]:
    """Predict every scan of `archives` and write a table; the same call resumes an interrupted one.

    The table has `scan, patient, site, arm, budget, seed, probability, positive`. Every scan that is not in
    it is counted by reason: left out as by `prepare`, or of another modality, unit or kind than the model's
    training data. Scans are read one after the other, so memory does not grow with the pixels of the archive;
    finished parts lie in a folder beside the table until all are there.

    Args:
        run: Folder of a study or of a saved model.
        archives: Folders or files with scans.
        out: New `.parquet` or `.csv` file.
        modality: DICOM modality code of files that do not record one (NIfTI, images).
        follow_links: Whether links in the archives are followed.
        workers: Number of processes that read scans; the table is the same for any number.

    Returns:
        Counts (`scans`, `positive`; by reason: `left_out` of scans, `files_not_used`), `model` and `out`.

    Raises:
        UsageError: There is no model, no scan that fits it, or `out` has another suffix, exists, lies in an
            archive or was begun by another call.
    """
    parts = Parts(out)
    _check_table(out, archives, is_begun=parts.folder.is_dir())
    model = Model.load(run)
    request = _request(archives, model, modality, follow_links)
    with parts.locked():
        result = parts.result(request)
        if result is not None:  # killed after the table was complete
            parts.remove()
            return result
        if out.exists():
            raise _exists(out)
        scan = partial(
            scan_archive,
            archives,
            workers=workers,
            follow_links=follow_links,
            owner=str(parts.folder.resolve()),
        )
        catalog = parts.catalog(request, scan)
        return _predict_catalog(catalog, model, modality, parts, workers)


def _check_table(out: Path, archives: list[Path], is_begun: bool) -> None:
    if out.suffix not in (".parquet", ".csv"):
        raise UsageError(f"{out}: name a .parquet or a .csv file")
    check_utf8(out)
    if out.exists() and not is_begun:
        raise _exists(out)
    if any(out.resolve().is_relative_to(Path(archive).resolve()) for archive in archives):
        raise UsageError(f"{out}: inside the archive, whose next scan would read it; name a file outside")


def _request(archives: list[Path], model: Model, modality: str | None, follow_links: bool) -> dict[str, Any]:
    """Return what the parts depend on; names of archives may be those of patients."""
    names = "\0".join(sorted(os.path.realpath(archive) for archive in archives))
    return {
        "version": __version__,
        "model": model.digest,
        "archives": pseudonym("archives", names),
        "modality": modality,
        "follow_links": follow_links,
    }


def _exists(out: Path) -> UsageError:
    return UsageError(f"{out} already exists; name a new file")


def _predict_catalog(
    catalog: Catalog, model: Model, modality: str | None, parts: Parts, workers: int
) -> dict[str, Any]:
    """Predict the scans of a catalog part by part, and join the parts."""
    config = model.config
    labels = _labels(catalog, modality)
    reasons = _reasons_before_reading(catalog, labels, config)
    plan = _split(list(reasons.index[reasons == ""]), SCANS_PER_PART)
    missing = parts.missing(len(plan))
    tasks = _tasks(catalog, labels, model, {number: plan[number] for number in missing})
    total, remaining = (
        sum(len(plan[number]) for number in numbers) for numbers in (range(len(plan)), missing)
    )
    with (
        bar("predict", total, total - remaining, "scan") as progress,
        closing(read_ahead(tasks, workers)) as ahead,
    ):
        for number, scans in groupby(ahead, key=lambda one: one.part):
            parts.write(number, _part_rows(model, _counted(scans, progress)))
    rows = parts.read(len(plan))
    left_out = count_reasons([*reasons, *rows["reason"].to_pylist()])
    if sum(left_out.values()) == len(reasons):
        parts.remove()
        raise _nothing_to_predict(config, model.images, left_out)
    table = _table(rows, catalog, config)
    ledger = catalog.ledger
    result = {
        "scans": len(table),
        "positive": int(table["positive"].sum()),
        "left_out": left_out,
        "files_not_used": count_reasons(ledger.loc[ledger["state"] != "used", "reason"]),
        "model": f"{config.arm} at {config.budget}",
        "out": str(parts.out),
    }
    parts.finish(table, result)
    return result


def _labels(catalog: Catalog, modality: str | None) -> Labels:
    """Return the archive's labels with `modality` for the scans whose files record none."""
    labels = read_labels(catalog, None)
    if modality is None:
        return labels
    if modality.upper() not in MODALITIES:
        raise UsageError(f"--modality {modality}: not a DICOM modality; write CT, MR, US, DX, ...")
    unknown = catalog.scans.loc[catalog.scans["modality"] == "unknown", "scan"]
    return replace(labels, modality=dict.fromkeys(unknown, modality.upper()))


def _reasons_before_reading(catalog: Catalog, labels: Labels, config: ModelConfig) -> pd.Series:
    """Return, by scan of the catalog, the reason for which it is left out unread, or an empty text."""
    reasons = reasons_before_reading(catalog, labels, read_image_types())
    if (reasons != "").all():
        raise nothing_to_prepare(catalog, reasons)
    modality = catalog.scans.set_index("scan")["modality"]
    modality = modality.where(
        modality != "unknown", pd.Series(labels.modality, dtype=object).reindex(modality.index)
    )
    fits = modality.fillna("unknown").isin(config.modalities)
    return reasons.where((reasons != "") | fits, "OTHER_MODALITY")


def _split(names: Sequence[str], size: int) -> list[Sequence[str]]:
    return [names[start : start + size] for start in range(0, len(names), size)]


def _tasks(
    catalog: Catalog, labels: Labels, model: Model, parts: dict[int, Sequence[str]]
) -> Iterator[ReadTask]:
    for number, names in parts.items():
        masks = {scan: labels.mask[scan] for scan in names if scan in labels.mask}
        of_part = catalog.subset([*names, *masks.values()])
        modality = {scan: labels.modality[scan] for scan in names if scan in labels.modality}
        part_labels = replace(labels, label={}, mask=masks, modality=modality)
        for scans in _split(names, SCANS_PER_TASK):
            selected = of_part.subset([*scans, *(masks[scan] for scan in scans if scan in masks)])
            yield ReadTask(number, selected, tuple(scans), part_labels, model.config, model.images)


def _counted(scans: Iterable[ScanViews], progress: Any) -> Iterator[ScanViews]:
    for scan in scans:
        yield scan
        progress.update()


def _part_rows(model: Model, scans: Iterable[ScanViews]) -> list[dict[str, Any]]:
    """Score the scans of a part and return its rows, see `medcl.predict.parts.SCHEMA`."""
    rows: list[dict[str, Any]] = []

    def listed() -> Iterator[ScanViews]:
        for scan in scans:
            rows.append(_part_row(scan))
            yield scan

    probability = score(model.classifier, listed())
    return [{**row, "probability": probability.get(row["scan"])} for row in rows]


def _part_row(scan: ScanViews) -> dict[str, Any]:
    row: dict[str, Any] = {"scan": scan.scan, "reason": scan.reason}
    if not scan.row:
        return row
    is_volume = scan.row["slice_axis"] >= 0
    return {
        **row,
        "fingerprint": scan.row["fingerprint"],
        "mask_fingerprint": scan.row["mask_fingerprint"],
        "shape": [int(n) for n in scan.row["shape"]],
        "affine": scan.row["affine"].tolist() if is_volume else None,
    }


def _nothing_to_predict(config: ModelConfig, images: Images, left_out: dict[str, int]) -> UsageError:
    kind = "volumes of " if images.volumes_only else ""
    counts = "; ".join(f"{count} {code} ({reason_text(code)})" for code, count in left_out.items())
    return UsageError(
        f"the model was trained on {kind}{', '.join(config.modalities)} in {', '.join(config.units)}, and no "
        f"scan fits it: {counts}"
    )


def _table(rows: pa.Table, catalog: Catalog, config: ModelConfig) -> pd.DataFrame:
    """Return the table of predictions, in the order of a store; patients who may be one have one name."""
    # Filtered first: pandas would round the integers of a column with nulls.
    read = rows.filter(pc.is_valid(rows["fingerprint"])).to_pandas()
    scans = read.sort_values(["fingerprint", "scan"], ignore_index=True).merge(
        catalog.scans[["scan", "patient", "patient_evidence", "site"]], on="scan"
    )
    scans["patient"] = unite_patients(scans)
    scans = scans[scans["reason"] == ""].reset_index(drop=True)
    return scans[["scan", "patient", "site"]].assign(
        arm=config.arm,
        budget=config.budget,
        seed=config.seed,
        probability=scans["probability"],
        positive=np.asarray(scans["probability"] >= config.threshold),
    )
