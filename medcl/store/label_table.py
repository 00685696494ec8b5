"""Reading a label table and refusing a faulty one by line number, never by a value: it may be a name."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from medcl.errors import UsageError

KEYS = ("file", "patient", "scan")
"""Key columns, first come first: a file's path or name, a patient ID, or a scan's pseudonym."""

ALIASES = {"participant_id": "patient"}
"""Names of columns in BIDS tables (`participants.tsv`) for those of a label table."""


def read_label_table(path: Path) -> pd.DataFrame:
    """Read a CSV, TSV or parquet table as text: column names in lower case, None for an empty field.

    Raises:
        UsageError: the table is missing, not readable, empty, or has two columns of one name.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such label table")
    try:
        table = pd.read_parquet(path) if path.suffix == ".parquet" else _read_text(path)
    except UnicodeDecodeError:
        raise UsageError(f"{path}: not UTF-8 text; save it as CSV UTF-8") from None
    except (ValueError, OSError) as error:
        raise UsageError(f"{path}: not a readable table: {' '.join(str(error).split())}") from None
    table.columns = [ALIASES.get(name, name) for name in (str(n).strip().lower() for n in table.columns)]
    if table.columns.duplicated().any():
        raise UsageError(f"{path}: two columns have the same name; keep one of each")
    if table.empty:
        raise UsageError(f"{path}: no row below the header; write a row per scan")
    table = table.astype("string").apply(lambda column: column.str.strip()).replace("", pd.NA)
    return table.astype(object).where(table.notna(), None)


def _read_text(path: Path) -> pd.DataFrame:
    with path.open("rb") as stream:
        if stream.read(4) in (b"PK\x03\x04", b"\xd0\xcf\x11\xe0"):
            raise ValueError("it is a spreadsheet; save it as CSV UTF-8")
    with path.open(encoding="utf-8-sig") as stream:
        header = stream.readline()
    separator = max((",", ";", "\t"), key=header.count)
    # pandas would rename the second of two equal column names; read as a row, they stay as they are.
    table = pd.read_csv(path, dtype=str, sep=separator, header=None, encoding="utf-8-sig")
    body = table.iloc[1:].reset_index(drop=True)
    return body.set_axis(table.iloc[0].fillna(""), axis="columns")


def key_column(path: Path, table: pd.DataFrame) -> str:
    """Return the key column.

    Raises:
        UsageError: there is none, or no column that states anything about the scans.
    """
    key = next((name for name in KEYS if name in table.columns), None)
    if key is None:
        raise UsageError(f"{path}: no key column in its header; name one of {', '.join(KEYS)}")
    if not ({"label", "patient", "mask", "box", "modality"} - {key}) & set(table.columns):
        raise UsageError(f"{path}: no column 'label' in its header")
    return key


def repeated_keys(table: pd.DataFrame, key: str) -> pd.Index:
    """Return the rows that repeat a key, except those that differ only in their box."""
    repeated = table[key].duplicated(keep=False)
    if "box" in table:
        differing = table.drop(columns="box").drop_duplicates()[key]
        repeated &= table[key].isin(differing[differing.duplicated()]) | table["box"].isna()
    return table.index[repeated]


def refuse_rows(path: Path, rows: pd.Index, fault: str) -> None:
    """Raise a `UsageError` that names the lines of `rows`, if there are any."""
    if len(rows):
        lines = ", ".join(str(int(row) + 2) for row in rows[:5]) + (", ..." if len(rows) > 5 else "")
        raise UsageError(f"{path}: {len(rows)} rows {fault} (lines {lines})")
