"""Labels that the archive does not hold: those of a table, or of class folders."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from medcl.archive import MODALITIES, Catalog, patient_identifier, pseudonym
from medcl.errors import UsageError
from medcl.store.boxes import LabelBox, read_boxes
from medcl.store.label_table import key_column, read_label_table, refuse_rows, repeated_keys
from medcl.store.scan_finder import scan_finder
from medcl.text import printable

MOST_CLASSES = 20
LEAST_PATIENTS = 3
"""More class folders, or one with fewer patients, are probably folders of patients, whose names must not
become labels."""

AMBIGUOUS = "have a 'file' that names several scans; write its path inside the archive"


@dataclass(frozen=True)
class Labels:
    """Labels and metadata of scans from outside their files; a scan missing in a mapping has no such value.

    Attributes:
        label: Class name of a scan.
        patient: Patient pseudonym of a scan, which replaces that of its file.
        mask: Scan that is the label mask of a scan.
        modality: DICOM modality code of a scan whose file does not record it.
        extra: Table with `scan` and the label table's `sex`, `age`, `site`, for subgroups.
        box: Boxes of a scan from which its mask is drawn.
    """

    label: dict[str, str]
    patient: dict[str, str]
    mask: dict[str, str]
    modality: dict[str, str]
    extra: pd.DataFrame
    box: dict[str, tuple[LabelBox, ...]] = field(default_factory=dict)


def read_labels(catalog: Catalog, labels: Path | str | None) -> Labels:
    """Return the labels of `catalog`'s scans.

    Args:
        catalog: The scans.
        labels: One of three. A table (CSV or TSV in UTF-8, or parquet) with a key column (`file`, `patient`
            or `scan`), a column `label`, and optionally `patient`, `mask` (a file of the archive), `box`
            (for scans without a mask: see `medcl.store.boxes`; one row per box), `modality` (of NIfTI and
            images, which do not record it; CT is then in HU), `site`, `sex`, `age` (years); a table with
            `patient`, `mask`, `box` or `modality` needs no `label`. Or the word `folders`: each folder is a
            class. Or None: the labels in the archive itself, as in files like MedMNIST's.

    Raises:
        UsageError: the table is missing or empty, lacks a column, has one class only, repeats a key or names
            a scan that does not exist. The message repeats no value of the table, which may be a name.
    """
    if labels is None:
        scans = catalog.scans.dropna(subset=["source_label"])
        return _labels_only(catalog, dict(zip(scans["scan"], scans["source_label"].astype(str), strict=True)))
    if str(labels) == "folders":
        return _labels_only(catalog, _folder_labels(catalog))
    return _table_labels(catalog, Path(labels))


def _labels_only(catalog: Catalog, label: dict[str, str]) -> Labels:
    return Labels(label, {}, _archive_masks(catalog), {}, pd.DataFrame(columns=["scan"]))


def _folder_labels(catalog: Catalog) -> dict[str, str]:
    locations = catalog.locations()
    images = set(catalog.scans.loc[~catalog.scans["flags"].fillna("").str.contains("LABEL_MAP"), "scan"])
    label = {
        scan: printable(name)
        for scan, name in zip(locations["scan"], locations["parent"], strict=True)
        if scan in images
    }
    classes = pd.Series(label).groupby(pd.Series(label)).groups
    if len(classes) < 2:
        raise UsageError("labels 'folders': the archive has one folder, so one class; pass a label table")
    patient = catalog.scans.set_index("scan")["patient"]
    fewest = min(patient.reindex(scans).nunique() for scans in classes.values())
    if len(classes) > MOST_CLASSES or fewest < LEAST_PATIENTS:
        raise UsageError(
            f"labels 'folders': {len(classes)} folders, one with {fewest} patient(s), look like folders of "
            "patients and not of classes; pass a label table"
        )
    return label


def _table_labels(catalog: Catalog, path: Path) -> Labels:
    table = read_label_table(path)
    key = key_column(path, table)
    table = table.dropna(subset=[key])
    find = scan_finder(catalog, key)
    scans_of_row = [find(value) for value in table[key]]
    unknown = [not scans for scans in scans_of_row]
    refuse_rows(path, table.index[unknown], f"have a '{key}' that names no scan")
    if key == "file":
        refuse_rows(path, table.index[[len(scans) > 1 for scans in scans_of_row]], AMBIGUOUS)
    # Two spellings of a file's name may name one scan.
    by_scan = table.assign(**{key: [scans[0] for scans in scans_of_row]}) if key == "file" else table
    refuse_rows(path, repeated_keys(by_scan, key), f"repeat a '{key}'; keep one row each")
    if "label" in table and (classes := table["label"].nunique()) < 2:
        raise UsageError(f"{path}: {classes} class(es) in column 'label'; at least two are needed")
    records = zip(table.to_dict("records"), scans_of_row, strict=True)
    rows = sorted(((row, scan) for row, scans in records for scan in scans), key=lambda pair: pair[1])
    mask = _archive_masks(catalog) | _masks(catalog, path, table, rows)
    return Labels(
        label={scan: row["label"] for row, scan in rows if row.get("label")},
        patient=_patients(rows, key),
        mask=mask,
        modality=_modalities(path, table, rows),
        extra=pd.DataFrame([{"scan": scan, **_extra(row)} for row, scan in rows]).drop_duplicates(),
        box=_boxes(catalog, path, table, scans_of_row, mask),
    )


def _patients(rows: list[tuple[dict[str, str], str]], key: str) -> dict[str, str]:
    if key == "patient":
        return {}
    return {
        scan: pseudonym("patient", patient_identifier(row["patient"]))
        for row, scan in rows
        if row.get("patient")
    }


def _archive_masks(catalog: Catalog) -> dict[str, str]:
    """Return the mask of each scan that has exactly one in the archive; of several, none is chosen."""
    masks = catalog.masks
    single = masks[~masks["scan"].duplicated(keep=False)]
    return dict(zip(single["scan"], single["mask"], strict=True))


def _masks(
    catalog: Catalog, path: Path, table: pd.DataFrame, rows: list[tuple[dict[str, str], str]]
) -> dict[str, str]:
    if "mask" not in table.columns:
        return {}
    find = scan_finder(catalog, "file")
    masks_of_scan = {scan: find(row["mask"]) for row, scan in rows if row.get("mask")}
    faulty = sum(len(masks) != 1 for masks in masks_of_scan.values())
    if faulty:
        raise UsageError(
            f"{path}: {faulty} rows have a 'mask' that is not one usable file of the archive; write its path "
            "inside the archive; the summary of 'medcl scan' says why files are not used"
        )
    return {scan: masks[0] for scan, masks in masks_of_scan.items()}


def _boxes(
    catalog: Catalog, path: Path, table: pd.DataFrame, scans_of_row: list[list[str]], mask: dict[str, str]
) -> dict[str, tuple[LabelBox, ...]]:
    if "box" not in table:
        return {}
    boxes, faults = read_boxes(catalog, table["box"], scans_of_row, mask)
    for fault, rows in faults.items():
        refuse_rows(path, pd.Index(rows), fault)
    return boxes


def _modalities(path: Path, table: pd.DataFrame, rows: list[tuple[dict[str, str], str]]) -> dict[str, str]:
    if "modality" not in table.columns:
        return {}
    codes = table["modality"].dropna().str.upper()
    unknown = ~codes.isin(MODALITIES)
    refuse_rows(path, codes.index[unknown], "have a 'modality' that is no DICOM modality, such as CT or MR")
    return {scan: row["modality"].upper() for row, scan in rows if row.get("modality")}


def _extra(row: dict[str, str]) -> dict[str, Any]:
    return {name: read(row[name]) for name, read in SUBGROUP_COLUMNS.items() if name in row}


def _as_written(value: str | None) -> str | None:
    return value


def _years(age: str | None) -> float:
    """Return an age in years from `67` or DICOM's `067Y`; NaN from anything else."""
    number = re.fullmatch(r"(\d+(?:\.\d+)?)\s*[yY]?", age or "")
    return float(number[1]) if number else float("nan")


SUBGROUP_COLUMNS: Mapping[str, Callable[[str | None], Any]] = {
    "site": _as_written,
    "sex": _as_written,
    "age": _years,
}
"""Further columns of a label table, which reports show as subgroups -> how a value is read."""
