"""Labels from outside the archive: a table, or the names of the class folders."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import pandas as pd

from medcl.archive import Catalog
from medcl.archive.privacy import pseudonym
from medcl.archive.vocabulary import MODALITIES
from medcl.errors import UsageError
from medcl.store.boxes import Box, read_boxes

KEYS = ("file", "patient", "scan")
"""What a label table may be keyed by: a file's path or name, a patient ID, or a scan's pseudonym."""

MOST_CLASSES = 20
LEAST_PATIENTS = 3
"""More class folders, or one with fewer patients, are taken for folders of patients, whose names must not
become labels."""


AMBIGUOUS = "have a 'file' that names several scans; write its path inside the archive"


@dataclass(frozen=True)
class Labels:
    """Label facts by scan; a scan that is not in a mapping has none.

    Attributes:
        label: scan to class name.
        patient: scan to patient pseudonym, where the table knows better than the files.
        mask: scan to the scan that is its label mask.
        modality: scan to the DICOM modality code that the table states, for files that cannot say it.
        extra: a row a scan with the table's further columns (`sex`, `age`, `site`), for subgroups.
        box: scan to the boxes that are its mask.
    """

    label: dict[str, str]
    patient: dict[str, str]
    mask: dict[str, str]
    modality: dict[str, str]
    extra: pd.DataFrame
    box: dict[str, tuple[Box, ...]] = field(default_factory=dict)


def read_labels(catalog: Catalog, labels: Path | str | None) -> Labels:
    """Return the labels of `catalog`'s scans.

    Args:
        catalog: the scans.
        labels: a table (CSV or TSV in UTF-8, or parquet) with a column `label` and one of `KEYS`, and
            optionally `patient`, `mask` (a file of the archive), `box` (where there is no mask: see
            `medcl.store.boxes`; a scan with several boxes has a row for each), `modality` (for NIfTI and
            pictures, which do not say it; CT is then in HU), `site`, `sex`, `age` (years); a table with
            `patient`, `mask`, `box` or `modality` may do without `label`; or the word `folders`: each
            picture's folder is its class; or None: the labels that a MedMNIST-style file carries itself.

    Raises:
        UsageError: the table is missing or empty, lacks a column, has one class only, repeats a key or names
            a scan that is not there. No value of the table is repeated: it may be a patient's name.
    """
    if labels is None:
        own = catalog.scans.dropna(subset=["source_label"])
        return _plain(catalog, dict(zip(own["scan"], own["source_label"].astype(str), strict=True)))
    if str(labels) == "folders":
        return _plain(catalog, _folder_labels(catalog))
    return _table_labels(catalog, Path(labels))


def _plain(catalog: Catalog, label: dict[str, str]) -> Labels:
    return Labels(label, {}, _archive_masks(catalog), {}, pd.DataFrame(columns=["scan"]))


def _folder_labels(catalog: Catalog) -> dict[str, str]:
    where = catalog.locations()
    label = dict(zip(where["scan"], where["parent"].astype(str), strict=True))
    members = pd.Series(label).groupby(pd.Series(label)).groups
    if len(members) < 2:
        raise UsageError("labels 'folders': the archive has one folder, so no classes; pass a label table")
    patient = catalog.scans.set_index("scan")["patient"]
    fewest = min(patient.reindex(scans).nunique() for scans in members.values())
    if len(members) > MOST_CLASSES or fewest < LEAST_PATIENTS:
        raise UsageError(
            f"labels 'folders': {len(members)} folders, one with {fewest} patient(s), look like folders of "
            "patients and not of classes; pass a label table"
        )
    return label


def _table_labels(catalog: Catalog, path: Path) -> Labels:
    table = _read_table(path)
    key = _key(path, table)
    table = table.dropna(subset=[key])
    find = _finder(catalog, key)
    found = [find(value) for value in table[key]]
    _refuse_rows(path, table.index[[not scans for scans in found]], f"have a '{key}' that names no scan")
    if key == "file":
        _refuse_rows(path, table.index[[len(scans) > 1 for scans in found]], AMBIGUOUS)
    # Two spellings of a file's name may mean one scan.
    named = table.assign(**{key: [scans[0] for scans in found]}) if key == "file" else table
    _refuse_rows(path, _repeating(named, key), f"repeat a '{key}'; keep one row each")
    if "label" in table and (classes := table["label"].nunique()) < 2:
        raise UsageError(f"{path}: {classes} class(es) in column 'label'; two are needed to tell apart")
    rows = [(row, scan) for row, scans in zip(table.to_dict("records"), found, strict=True) for scan in scans]
    rows.sort(key=lambda pair: pair[1])
    mask = _archive_masks(catalog) | _masks(catalog, path, table, rows)
    return Labels(
        label={scan: row["label"] for row, scan in rows if row.get("label")},
        patient=_patients(rows, key),
        mask=mask,
        modality=_modalities(path, table, rows),
        extra=pd.DataFrame([{"scan": scan, **_extra(row)} for row, scan in rows]).drop_duplicates(),
        box=_boxes(catalog, path, table, found, mask),
    )


def _read_table(path: Path) -> pd.DataFrame:
    """Read a table as text, its columns named in small letters, an empty cell as None."""
    if not path.is_file():
        raise UsageError(f"{path}: no such label table")
    try:
        table = pd.read_parquet(path) if path.suffix == ".parquet" else _read_text(path)
    except UnicodeDecodeError:
        raise UsageError(f"{path}: not UTF-8 text; save it as CSV UTF-8") from None
    except (ValueError, OSError) as error:
        raise UsageError(f"{path}: no readable table: {' '.join(str(error).split())}") from None
    table.columns = [str(name).strip().lower() for name in table.columns]
    if table.columns.duplicated().any():
        raise UsageError(f"{path}: two columns have the same name; keep one of each")
    if table.empty:
        raise UsageError(f"{path}: no row below the first line; write a row for each scan")
    table = table.astype("string").apply(lambda column: column.str.strip()).replace("", pd.NA)
    return table.astype(object).where(table.notna(), None)


def _read_text(path: Path) -> pd.DataFrame:
    with path.open("rb") as stream:
        if stream.read(4) in (b"PK\x03\x04", b"\xd0\xcf\x11\xe0"):
            raise ValueError("it is a spreadsheet; save it as CSV UTF-8")
    with path.open(encoding="utf-8-sig") as stream:
        first = stream.readline()
    separator = max((",", ";", "\t"), key=first.count)
    # Without a header pandas leaves the names of columns alone; it would tell two equal ones apart.
    table = pd.read_csv(path, dtype=str, sep=separator, header=None, encoding="utf-8-sig")
    named = table.iloc[1:].reset_index(drop=True)
    return named.set_axis(table.iloc[0].fillna(""), axis="columns")


def _key(path: Path, table: pd.DataFrame) -> str:
    """Return the key column, and refuse a table that says nothing of scans."""
    key = next((name for name in KEYS if name in table.columns), None)
    if key is None:
        raise UsageError(f"{path}: its first line names no key column; name one of {', '.join(KEYS)}")
    if not ({"label", "patient", "mask", "box", "modality"} - {key}) & set(table.columns):
        raise UsageError(f"{path}: its first line names no column 'label'")
    return key


def _repeating(table: pd.DataFrame, key: str) -> pd.Index:
    """Return the rows that repeat a key; not those that differ in their box alone."""
    repeated = table[key].duplicated(keep=False)
    if "box" in table:
        apart = table.drop(columns="box").drop_duplicates()[key]
        repeated &= table[key].isin(apart[apart.duplicated()]) | table["box"].isna()
    return table.index[repeated]


def _refuse_rows(path: Path, rows: pd.Index, fault: str) -> None:
    """Refuse a table by line number, never by its values: they may be names of patients."""
    if len(rows):
        lines = ", ".join(str(int(row) + 2) for row in rows[:5]) + (", ..." if len(rows) > 5 else "")
        raise UsageError(f"{path}: {len(rows)} rows {fault} (lines {lines})")


def _finder(catalog: Catalog, key: str) -> Callable[[str], list[str]]:
    """Return a function from a key's value to the scans that it names."""
    if key == "scan":
        known = set(catalog.scans["scan"])
        return lambda value: [value] if value in known else []
    if key == "patient":
        by_patient = catalog.scans.groupby("patient")["scan"].apply(list).to_dict()
        subjects = _bids_subjects(catalog)
        return lambda value: (
            by_patient.get(pseudonym("patient", value.strip())) or subjects.get(value.strip(), [])
        )
    names = _file_names(catalog)
    return lambda value: names.get(value, [])


def _bids_subjects(catalog: Catalog) -> dict[str, list[str]]:
    """Map BIDS subjects, with and without `sub-`, to their scans, except subjects of two data sets."""
    found: dict[str, list[str]] = {}
    where = catalog.locations()
    for scan, path in zip(where["scan"], where["path"], strict=True):
        if named := re.search(r"(?:^|/)(sub-([A-Za-z0-9]+))(?=[/_.])", Path(path).as_posix()):
            for name in named.groups():
                found.setdefault(name, []).append(scan)
    patient = catalog.scans.set_index("scan")["patient"]
    return {name: scans for name, scans in found.items() if len(set(patient[scans])) == 1}


def _file_names(catalog: Catalog) -> dict[str, list[str]]:
    """Map each file's relative path, name and stem to the scans that are in it."""
    names: dict[str, list[str]] = {}
    where = catalog.locations()
    for scan, path in zip(where["scan"], where["path"], strict=True):
        parts = PurePosixPath(Path(path).as_posix()).parts
        tails = {"/".join(parts[start:]) for start in range(max(0, len(parts) - 6), len(parts))}
        for name in tails | {PurePosixPath(parts[-1]).stem, parts[-1].split(".")[0]}:
            if scan not in names.setdefault(name, []):
                names[name].append(scan)
    return names


def _patients(rows: list[tuple[dict[str, str], str]], key: str) -> dict[str, str]:
    if key == "patient":
        return {}
    return {scan: pseudonym("patient", row["patient"].strip()) for row, scan in rows if row.get("patient")}


def _archive_masks(catalog: Catalog) -> dict[str, str]:
    """Return the mask of each scan that has exactly one in the archive; between several nobody chose."""
    masks = catalog.masks
    single = masks[~masks["scan"].duplicated(keep=False)]
    return dict(zip(single["scan"], single["mask"], strict=True))


def _masks(
    catalog: Catalog, path: Path, table: pd.DataFrame, rows: list[tuple[dict[str, str], str]]
) -> dict[str, str]:
    if "mask" not in table.columns:
        return {}
    find = _finder(catalog, "file")
    found = {scan: find(row["mask"]) for row, scan in rows if row.get("mask")}
    missing = sum(len(masks) != 1 for masks in found.values())
    if missing:
        raise UsageError(
            f"{path}: {missing} rows have a 'mask' that is not one usable file of the archive; "
            "its ledger says why"
        )
    return {scan: masks[0] for scan, masks in found.items()}


def _boxes(
    catalog: Catalog, path: Path, table: pd.DataFrame, found: list[list[str]], mask: dict[str, str]
) -> dict[str, tuple[Box, ...]]:
    if "box" not in table:
        return {}
    boxes, faults = read_boxes(catalog, table["box"], found, mask)
    for fault, rows in faults.items():
        _refuse_rows(path, pd.Index(rows), fault)
    return boxes


def _modalities(path: Path, table: pd.DataFrame, rows: list[tuple[dict[str, str], str]]) -> dict[str, str]:
    if "modality" not in table.columns:
        return {}
    codes = table["modality"].dropna().str.upper()
    _refuse_rows(path, codes.index[~codes.isin(MODALITIES)], "state no DICOM modality, such as CT, MR or US")
    return {scan: row["modality"].upper() for row, scan in rows if row.get("modality")}


def _extra(row: dict[str, str]) -> dict[str, str | float | None]:
    found: dict[str, str | float | None] = {name: row[name] for name in ("site", "sex") if name in row}
    return found | ({"age": _years(row["age"])} if "age" in row else {})


def _years(age: str | None) -> float:
    """Return an age in years from `67` or DICOM's `067Y`; NaN from anything else."""
    number = re.fullmatch(r"(\d+(?:\.\d+)?)\s*[yY]?", age or "")
    return float(number[1]) if number else float("nan")
