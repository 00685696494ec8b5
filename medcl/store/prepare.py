"""From a catalog to a store: read every scan once, measure it, and split by patient."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from medcl.archive import Catalog
from medcl.errors import UsageError
from medcl.files import read_json, write_json, write_table
from medcl.progress import track
from medcl.store.cluster import write_shards
from medcl.store.labels import Labels, read_labels
from medcl.store.shards import shard_plan, write_shard
from medcl.store.splits import assign_splits, mark_duplicates
from medcl.store.store import Store

FORMAT = 1
EXCLUDED_FLAGS = ("SCOUT", "DERIVED", "LABEL_MAP", "PROBABILITY_MAP")
"""Scans with one of these flags are no images of a patient, or repeat others: a store leaves them out."""


def prepare(
    catalog: Catalog,
    out: Path,
    labels: Labels | Path | str | None = None,
    seed: int = 0,
    scheduler: str | None = None,
) -> Store:
    """Write the scans of `catalog` as a store at `out`; the same call resumes an interrupted one.

    Args:
        catalog: Scans to store.
        out: New folder, or one that the same call left unfinished.
        labels: `Labels`, or the argument of `medcl.store.read_labels`.
        seed: Random seed of the split by patient.
        scheduler: Address of a Dask scheduler whose workers read the scans instead of this process; they
            must see archive, catalog and store under the same paths.

    Raises:
        UsageError: labels that do not fit the catalog, a folder at `out` that holds something else, or no
            scan that can be read.
    """
    scan_labels = labels if isinstance(labels, Labels) else read_labels(catalog, labels)
    selected = _select(catalog, scan_labels)
    plan = _begin(out, selected, scan_labels, seed)
    shards = [(out / "arrays" / f"{number:05d}", scans) for number, scans in enumerate(plan)]
    missing = [shard for shard in shards if not shard[0].with_suffix(".parquet").is_file()]
    if scheduler:
        write_shards(catalog, scan_labels, missing, scheduler)
    else:
        for folder, scans in track(missing, "prepare", unit="shard"):
            write_shard(catalog, scans, scan_labels, folder)
    return _finish(catalog, out, selected, scan_labels, len(plan), seed)


def _select(catalog: Catalog, labels: Labels) -> pd.DataFrame:
    """Return the scans that belong in a store: no scouts, derived images, cine loops, or masks."""
    scans = catalog.scans
    flagged = (
        scans["flags"].fillna("").str.split(";").map(lambda flags: any(f in EXCLUDED_FLAGS for f in flags))
    )
    keep = ~flagged & (scans["kind"] != "cine") & ~scans["scan"].isin(set(labels.mask.values()))
    if not keep.any():
        raise UsageError(
            f"{catalog.folder}: no scan to prepare; see its flags and its ledger for the reasons"
        )
    return scans[keep]


def _begin(out: Path, scans: pd.DataFrame, labels: Labels, seed: int) -> list[list[str]]:
    """Check that `out` is new or left unfinished by the same call, and plan its shards."""
    plan = shard_plan(scans)
    request = repr((plan, labels.label, labels.patient, labels.mask, labels.modality, labels.box, seed))
    ticket = {"format": FORMAT, "request": hashlib.sha256(request.encode()).hexdigest()}
    begun = out / "begun.json"
    if (out / "store.json").exists() or (out.exists() and any(out.iterdir()) and not begun.is_file()):
        raise UsageError(f"{out} already exists; name a new folder for the store")
    if begun.is_file() and read_json(begun) != ticket:
        raise UsageError(
            f"{out} was begun from another catalog, labels or seed; name a new folder for the store"
        )
    (out / "arrays").mkdir(parents=True, exist_ok=True)
    write_json(ticket, begun)
    return plan


def _finish(
    catalog: Catalog, out: Path, selected: pd.DataFrame, labels: Labels, shards: int, seed: int
) -> Store:
    parts = [
        pd.read_parquet(out / "arrays" / f"{number:05d}.parquet").assign(shard=f"{number:05d}")
        for number in range(shards)
    ]
    read = pd.concat(parts, ignore_index=True)
    faults = read.loc[read["fault"] != "", ["scan", "fault"]]
    stored = read[read["fault"] == ""].drop(columns="fault")
    if stored.empty:
        raise UsageError(f"{out}: no scan could be read; first reason: {faults['fault'].iloc[0]}")
    scans = _scan_table(stored, selected, labels)
    scans["duplicate"] = mark_duplicates(scans)
    splits = scans[["scan", "patient", "label"]].assign(split=assign_splits(scans, seed))
    write_table(scans.drop(columns="source_split"), out / "scans.parquet")
    write_table(splits, out / "splits.parquet")
    write_json(_record(catalog, scans, splits, faults, seed), out / "store.json")
    return Store.open(out)


def _scan_table(stored: pd.DataFrame, selected: pd.DataFrame, labels: Labels) -> pd.DataFrame:
    """Join measurements with the catalog and the labels, in fingerprint order."""
    known = selected[["scan", "patient", "site", "body_part", "manufacturer", "source_split"]]
    scans = stored.merge(known, on="scan", validate="1:1")
    scans["label"] = scans["scan"].map(labels.label)
    pairs = zip(scans["scan"], scans["patient"], strict=True)
    scans["patient"] = [labels.patient.get(scan, patient) for scan, patient in pairs]
    for column in labels.extra.columns.drop("scan"):
        values = scans["scan"].map(labels.extra.set_index("scan")[column])
        scans[column] = values.fillna(scans[column]) if column in scans else values
    integers = ["offset", "valid_offset", "mask_offset"]
    scans[integers] = scans[integers].astype(np.int64)
    scans["fingerprint"] = scans["fingerprint"].astype(np.uint64)
    # Exact copies share a fingerprint: the pseudonym orders them.
    return scans.sort_values(["fingerprint", "scan"], ignore_index=True)


def _record(
    catalog: Catalog, scans: pd.DataFrame, splits: pd.DataFrame, faults: pd.DataFrame, seed: int
) -> dict[str, Any]:
    is_copy = scans["duplicate"] != ""
    copies, masks = scans[is_copy], scans.loc[~is_copy, "mask_from"]
    return {
        "format": FORMAT,
        "seed": seed,
        "archive": catalog.summary(),
        "scans": len(scans),
        "patients": int(scans["patient"].nunique()),
        "classes": {str(k): int(v) for k, v in scans["label"].value_counts().sort_index().items()},
        "masks": {str(k): int(v) for k, v in masks.value_counts().sort_index().items() if k},
        "splits": {str(k): int(v) for k, v in splits["split"].value_counts().sort_index().items()},
        "duplicates": _duplicate_counts(scans, copies),
        "faults": dict(zip(faults["scan"], faults["fault"], strict=True)),
    }


def _duplicate_counts(scans: pd.DataFrame, copies: pd.DataFrame) -> dict[str, int]:
    """Count exact copies: all, across the source's splits, and with conflicting labels."""
    source_split = scans.set_index("scan")["source_split"]
    of_original = copies[copies["duplicate"] != "conflict"]
    original = of_original["duplicate"].map(source_split)
    crossing = (of_original["source_split"].fillna("") != original.fillna("")).sum()
    return {
        "copies": len(of_original),
        "crossing_splits": int(crossing),
        "conflicting_labels": int((copies["duplicate"] == "conflict").sum()),
    }
