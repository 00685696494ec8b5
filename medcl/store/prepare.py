"""From a catalog to a store: read every scan once, measure it, and split by patient."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from medcl.archive import Catalog
from medcl.archive.flags import join_flags, split_flags
from medcl.errors import UsageError
from medcl.files import check_utf8, read_json, remove_unfinished, write_json, write_table
from medcl.store.blocks import shard_path
from medcl.store.columns import NumberColumns, read_arrow, write_arrow
from medcl.store.form import StoreForm
from medcl.store.image_types import read_image_types
from medcl.store.labels import Labels, read_labels
from medcl.store.left_out import (
    count_reasons,
    mask_warnings,
    nothing_to_prepare,
    reason_text,
    reasons_before_reading,
)
from medcl.store.parallel import write_shards
from medcl.store.patients import patient_warnings, strangers_joined
from medcl.store.people import unite_patients
from medcl.store.shards import shard_plan
from medcl.store.splits import assign_splits, mark_duplicates
from medcl.store.store import FORMAT, Store, joined_columns, light_columns
from medcl.store.units import unit_warnings


def prepare(
    catalog: Catalog,
    out: Path,
    labels: Labels | Path | str | None = None,
    seed: int = 0,
    scheduler: str | None = None,
    workers: int = 1,
    image_types: Path | None = None,
    form: StoreForm | None = None,
) -> Store:
    """Write the scans of `catalog` as a store at `out`; the same call resumes an interrupted one.

    Every scan of the catalog is used or left out for a reason, which `left_out.parquet` names for each and
    `store.json` counts.

    Args:
        catalog: Scans to store.
        out: New folder, or one that the same call left unfinished.
        labels: `Labels`, or the argument of `medcl.store.read_labels`.
        seed: Random seed of the split by patient.
        scheduler: Address of a Dask scheduler whose workers read the scans instead of this process; they
            must see archive, catalog and store under the same paths.
        workers: Number of processes that read scans; the store is the same for any number.
        image_types: YAML file of the image types to leave out, instead of `configs/image_types.yaml`.
        form: Form in which scans are stored; as they are by default.

    Raises:
        UsageError: labels that do not fit the catalog, a folder at `out` that holds something else, or no
            scan that can be read.
    """
    form = form or StoreForm()
    rules = read_image_types(image_types)
    scan_labels = labels if isinstance(labels, Labels) else read_labels(catalog, labels)
    reasons = reasons_before_reading(catalog, scan_labels, rules)
    selected = catalog.scans[(reasons == "").to_numpy(bool)]
    if selected.empty:
        raise nothing_to_prepare(catalog, reasons)
    plan = _begin(out, selected, scan_labels, seed, form)
    shards = [(shard_path(out, number), scans) for number, scans in enumerate(plan)]
    missing = [shard for shard in shards if not shard[0].with_suffix(".arrow").is_file()]
    write_shards(catalog, scan_labels, missing, form, workers, scheduler)
    remove_unfinished(out)
    return _finish(catalog, out, selected, scan_labels, reasons, len(plan), seed, form)


def _begin(out: Path, scans: pd.DataFrame, labels: Labels, seed: int, form: StoreForm) -> list[list[str]]:
    """Check that `out` is new or left unfinished by the same call, and plan its shards."""
    check_utf8(out)
    plan = shard_plan(scans)
    columns = (labels.label, labels.patient, labels.mask, labels.modality, labels.box)
    request = repr((plan, *columns, seed, form))
    ticket = {"format": FORMAT, "request": hashlib.sha256(request.encode()).hexdigest()}
    begun = out / "begun.json"
    if (out / "store.json").exists() or (out.exists() and any(out.iterdir()) and not begun.is_file()):
        raise UsageError(f"{out} already exists; name a new folder for the store")
    if begun.is_file() and read_json(begun) != ticket:
        raise UsageError(
            f"{out} was begun from another catalog, labels or seed; name a new folder for the store"
        )
    out.mkdir(parents=True, exist_ok=True)
    write_json(ticket, begun)
    return plan


def _finish(
    catalog: Catalog,
    out: Path,
    selected: pd.DataFrame,
    labels: Labels,
    reasons: pd.Series,
    shards: int,
    seed: int,
    form: StoreForm,
) -> Store:
    read = pa.concat_tables(
        read_arrow(shard_path(out, number).with_suffix(".arrow")) for number in range(shards)
    )
    is_stored = pc.equal(read["fault"], "")
    faults = read.filter(pc.invert(is_stored)).select(["scan", "fault", "fault_code"]).to_pandas()
    stored = read.filter(is_stored).drop_columns(["fault", "fault_code"])
    if not len(stored):
        counts = count_reasons(faults["fault_code"])
        text = "; ".join(f"{count} {code} ({reason_text(code)})" for code, count in counts.items())
        raise UsageError(f"{out}: no scan could be read: {text}")
    # Exact copies share a fingerprint: the pseudonym orders them.
    stored = stored.sort_by([("fingerprint", "ascending"), ("scan", "ascending")])
    scans = _scan_table(stored, selected, labels)
    grids = _with_grids(scans, stored)
    joined = strangers_joined(grids)
    scans["patient"] = grids["patient"] = unite_patients(grids)
    scans["duplicate"] = grids["duplicate"] = mark_duplicates(scans)
    splits = scans[["scan", "patient", "label"]].assign(split=assign_splits(grids, seed))
    left_out = _reasons_by_scan(reasons, faults, scans)
    write_table(left_out, out / "left_out.parquet")
    write_arrow(joined_columns(scans.drop(columns="source_split"), stored), out / "scans.arrow")
    write_table(splits, out / "splits.parquet")
    write_json(
        _record(catalog, grids, labels, splits, faults, left_out, joined, seed, form), out / "store.json"
    )
    return Store.open(out)


def _reasons_by_scan(reasons: pd.Series, faults: pd.DataFrame, scans: pd.DataFrame) -> pd.DataFrame:
    """Return the columns scan and reason of all scans that are not used, in the order of the catalog."""
    copies = scans.loc[scans["duplicate"] != "", ["scan", "duplicate"]]
    is_conflict = copies["duplicate"] == "conflict"
    reasons = reasons.copy()
    reasons[faults["scan"]] = faults["fault_code"].to_numpy()
    reasons[copies["scan"]] = np.where(is_conflict, "CONFLICTING_LABELS", "EXACT_COPY")
    left_out = reasons[reasons != ""]
    return pd.DataFrame({"scan": left_out.index.astype(str), "reason": left_out.astype(str).to_numpy()})


def _scan_table(stored: pa.Table, selected: pd.DataFrame, labels: Labels) -> pd.DataFrame:
    """Join measurements with the catalog and the labels, in the order of `stored`."""
    known = selected[
        ["scan", "patient", "patient_evidence", "site", "body_part", "manufacturer", "source_split"]
    ]
    scans = light_columns(stored).merge(known, on="scan", validate="1:1")
    scans["label"] = scans["scan"].map(labels.label)
    named = scans["scan"].isin(labels.patient)
    scans.loc[named, "patient"] = scans.loc[named, "scan"].map(labels.patient)
    scans.loc[named, "patient_evidence"] = "table"
    scans.loc[named, "flags"] = scans.loc[named, "flags"].map(_without_patient_flags)
    for column in labels.extra.columns.drop("scan"):
        values = scans["scan"].map(labels.extra.set_index("scan")[column])
        scans[column] = values.fillna(scans[column]) if column in scans else values
    return scans


def _with_grids(scans: pd.DataFrame, stored: pa.Table) -> pd.DataFrame:
    """Return the table of scans with `shape` and `affine`, which tell whether two patients are one."""
    measures = NumberColumns(stored.combine_chunks()).measures(np.arange(len(scans)))
    affines = [
        None if axis < 0 else affine.ravel()
        for axis, affine in zip(measures.slice_axis, measures.affine, strict=True)
    ]
    return scans.assign(shape=list(measures.shape), affine=pd.Series(affines, scans.index, dtype=object))


def _without_patient_flags(flags: str) -> str:
    return join_flags(flag for flag in split_flags(flags) if not flag.startswith("PATIENT_"))


def _record(
    catalog: Catalog,
    scans: pd.DataFrame,
    labels: Labels,
    splits: pd.DataFrame,
    faults: pd.DataFrame,
    left_out: pd.DataFrame,
    joined: int,
    seed: int,
    form: StoreForm,
) -> dict[str, Any]:
    is_copy = scans["duplicate"] != ""
    copies, masks = scans[is_copy], scans.loc[~is_copy, "mask_from"]
    kinds = (scans["modality"] + " " + scans["kind"] + "s")[~is_copy]
    return {
        "format": FORMAT,
        "form": form.model_dump(),
        "seed": seed,
        "archive": catalog.summary(),
        "scans": len(scans),
        "used": int((~is_copy).sum()),
        "kinds": count_reasons(kinds),
        "left_out": count_reasons(left_out["reason"]),
        "patients": int(scans["patient"].nunique()),
        "classes": {str(k): int(v) for k, v in scans["label"].value_counts().sort_index().items()},
        "masks": {str(k): int(v) for k, v in masks.value_counts().sort_index().items() if k},
        "splits": {str(k): int(v) for k, v in splits["split"].value_counts().sort_index().items()},
        "duplicates": _duplicate_counts(scans, copies),
        "faults": dict(zip(faults["scan"], faults["fault"], strict=True)),
        "mask_faults": count_reasons(scans["mask_fault"]),
        "strangers_joined": joined,
        "warnings": [
            *unit_warnings(scans[~is_copy]),
            *patient_warnings(scans[~is_copy]),
            *mask_warnings(catalog, labels, scans.loc[~is_copy, "scan"]),
        ],
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
