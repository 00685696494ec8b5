"""The rows that a scan of an archive produces: catalog and ledger (public), locator (private).

Rows are kept in columns as they arrive, a few hundred bytes each, so that a million of them fit in memory.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from medcl.archive.flags import join_flags
from medcl.archive.ledger.examine import FileOutcome
from medcl.archive.patients import Evidence
from medcl.archive.privacy import pseudonym

BLOCK_ROWS = 20_000

_text, _number = pa.string(), pa.int64()
CATALOG = pa.schema(
    [
        *[(name, _text) for name in ("scan", "patient", "patient_evidence")],
        *[(name, _text) for name in ("study", "series", "site", "modality", "kind")],
        *[(name, _text) for name in ("body_part", "manufacturer", "shape")],
        ("spacing_mm", pa.list_(pa.float64())),
        *[(name, _text) for name in ("unit", "source", "source_split", "source_label")],
        ("n_files", _number),
        ("flags", _text),
    ]
)
LEDGER = pa.schema(
    [*[(name, _text) for name in ("file", "state", "reason", "flags", "scan")], ("bytes", _number)]
)
MASKS = pa.schema([(name, _text) for name in ("mask", "scan", "kind")])
LOCATOR = pa.schema(
    [
        *[(name, _text) for name in ("scan", "file")],
        *[(name, pa.binary()) for name in ("path", "member")],
        ("part", _text),
        *[(name, _number) for name in ("order", "size", "mtime_ns")],
        ("head", _text),
    ]
)


@dataclass(frozen=True, slots=True)
class ScanRow:
    """One row of `catalog.parquet`; the columns are described in `Catalog`."""

    scan: str
    patient: str
    patient_evidence: Evidence
    kind: str
    shape: tuple[int, ...]
    spacing_mm: tuple[float, ...] | None
    unit: str
    source: str
    flags: tuple[str, ...]
    n_files: int = 1
    modality: str = "unknown"
    study: str | None = None
    series: str | None = None
    site: str | None = None
    body_part: str | None = None
    manufacturer: str | None = None
    source_split: str | None = None
    source_label: str | None = None

    def values(self) -> list[Any]:
        """Return the row's values in the order of the columns."""
        row: list[Any] = [getattr(self, name) for name in CATALOG.names]
        row[CATALOG.names.index("shape")] = "x".join(map(str, self.shape))
        row[CATALOG.names.index("flags")] = ";".join(self.flags)
        return row


class Columns:
    """A table that grows by rows; complete blocks are packed."""

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._rows: list[Sequence[Any]] = []
        self._blocks: list[pa.RecordBatch] = []

    def __len__(self) -> int:
        return sum(int(block.num_rows) for block in self._blocks) + len(self._rows)

    def add(self, row: Sequence[Any]) -> None:
        """Append a row, values in the order of the schema."""
        self._rows.append(row)
        if len(self._rows) >= BLOCK_ROWS:
            self._pack()

    def table(self, *order: str) -> pa.Table:
        """Return all rows, sorted by the columns `order`."""
        self._pack()
        table = pa.Table.from_batches(self._blocks, self._schema)
        return table.sort_by([(name, "ascending") for name in order])

    def clear(self) -> None:
        """Delete all rows."""
        self._rows, self._blocks = [], []

    def _pack(self) -> None:
        if self._rows:
            columns = [list(column) for column in zip(*self._rows, strict=True)]
            arrays = [pa.array(c, f.type) for c, f in zip(columns, self._schema, strict=True)]
            self._blocks.append(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
            self._rows = []


class Tables:
    """Rows in the order in which they are added; the tables are sorted, so that this order does not show."""

    def __init__(self) -> None:
        self._scans = Columns(CATALOG)
        self._files = Columns(LEDGER)
        self._places = Columns(LOCATOR)
        self._masks = Columns(MASKS)
        self._data_files: dict[str, str | None] = {}
        self.scan_count = 0
        self.decoders: dict[str, dict[str, Any]] = {}

    def add_scan(self, row: ScanRow, parts: Sequence[tuple[FileOutcome, str, int]]) -> None:
        """Add a scan and the places of its pixels: (file, part of it, order among the scan's files)."""
        self.scan_count += 1
        self._scans.add(row.values())
        self._add_places(row.scan, parts)

    def add_mask(
        self, mask: str, scans: Sequence[str], kind: str, outcomes: Sequence[FileOutcome] = ()
    ) -> None:
        """Add a mask with the scans that it may belong to, and its files unless it is a scan itself."""
        for scan in scans:
            self._masks.add([mask, scan, kind])
        self._add_places(mask, [(outcome, kind, order) for order, outcome in enumerate(outcomes)])

    def _add_places(self, scan: str, parts: Sequence[tuple[FileOutcome, str, int]]) -> None:
        for outcome, part, order in parts:
            self._places.add(
                [
                    scan,
                    pseudonym("file", outcome.key),
                    os.fsencode(outcome.entry.path),
                    os.fsencode(outcome.member),
                    part,
                    order,
                    outcome.size,
                    outcome.entry.mtime_ns,
                    outcome.head,
                ]
            )

    def add_file(self, outcome: FileOutcome, scan: str | None) -> None:
        """Add a file's ledger row; `scan` is the one that it belongs to, if it is one."""
        flags = join_flags(outcome.flags)
        file = pseudonym("file", outcome.key)
        self._files.add([file, outcome.state, outcome.code, flags, scan, outcome.size])

    def add_data_file(self, outcome: FileOutcome, scan: str | None) -> None:
        """Record that a file, whose own row says what it looks like, holds the voxels of a header."""
        self._data_files[pseudonym("file", outcome.key)] = scan

    def clear(self) -> None:
        """Delete all rows and free their memory."""
        for columns in (self._scans, self._files, self._places, self._masks):
            columns.clear()
        self._data_files.clear()

    def catalog(self) -> pa.Table:
        """Return the catalog, one row per scan."""
        return self._scans.table("scan")

    def ledger(self) -> pa.Table:
        """Return the ledger, one row per file."""
        table = self._files.table("file", "state")
        if not self._data_files:
            return table
        scans = [self._data_files.get(file, "") for file in table["file"].to_pylist()]
        is_data = pa.array([scan != "" for scan in scans])
        is_data = pc.and_(is_data, pc.not_equal(table["state"], "used"))
        replaced = {
            "state": pa.scalar("dropped"),
            "reason": pa.scalar("DATA_FILE"),
            "flags": pa.scalar(""),
            "scan": pa.array(scans, pa.string()),
        }
        for name, values in replaced.items():
            column = pc.if_else(is_data, values, table[name])
            table = table.set_column(LEDGER.names.index(name), LEDGER.field(name), column)
        return table

    def missing_decoders(self, missing: Mapping[str, tuple[int, str]]) -> None:
        """Add transfer syntaxes without a decoder: number of files, and the command that installs one."""
        for syntax, (files, command) in missing.items():
            entry = self.decoders.setdefault(syntax, {"files": 0, "install": command})
            entry["files"] += files

    def volumes_by_series(self) -> dict[str, list[str]]:
        """Return the DICOM volumes of each series."""
        scans = self.catalog().select(["scan", "series", "source", "kind"]).to_pandas()
        volumes = scans[(scans["source"] == "dicom") & (scans["kind"] == "volume")].dropna(subset=["series"])
        return {str(key): list(group) for key, group in volumes.groupby("series")["scan"]}

    def masks(self) -> pa.Table:
        """Return which masks belong to which scans."""
        return self._masks.table("scan", "mask")

    def locator(self) -> pa.Table:
        """Return the private table of places."""
        return self._places.table("scan", "order")
