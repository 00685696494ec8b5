"""The rows that a scan of an archive produces: catalogue and ledger (public), locator (private)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import pandas as pd

from medcl.archive.examine import Outcome
from medcl.archive.privacy import pseudonym


@dataclass(frozen=True, slots=True)
class ScanRow:
    """One row of `catalog.parquet`; the columns are described in `Catalog`."""

    scan: str
    patient: str
    patient_known: bool
    study: str | None
    series: str | None
    site: str | None
    modality: str
    kind: str
    body_part: str | None
    manufacturer: str | None
    shape: tuple[int, ...]
    spacing_mm: tuple[float, ...] | None
    unit: str
    source: str
    source_split: str | None
    source_label: str | None
    n_files: int
    flags: tuple[str, ...]


@dataclass
class Tables:
    """Rows as they are found; the frames are sorted, so that no order of finding shows in them."""

    scans: list[ScanRow] = field(default_factory=list)
    files: list[dict[str, Any]] = field(default_factory=list)
    places: list[dict[str, Any]] = field(default_factory=list)
    _scan_of: dict[str, str | None] = field(default_factory=dict)

    def add_scan(self, row: ScanRow, parts: Sequence[tuple[Outcome, str, int]]) -> None:
        """Add a scan and where its pixels stand: (file, part of it, order among the scan's files)."""
        self.scans.append(row)
        for outcome, part, order in parts:
            file = file_pseudonym(outcome)
            self._scan_of[file] = None if file in self._scan_of else row.scan
            self.places.append(
                {
                    "scan": row.scan,
                    "file": file,
                    "path": os.fsencode(outcome.entry.path),
                    "member": os.fsencode(outcome.member),
                    "part": part,
                    "order": order,
                    "size": outcome.size,
                    "mtime_ns": outcome.entry.mtime_ns,
                    "head": outcome.head,
                }
            )

    def add_file(self, outcome: Outcome) -> None:
        """Add a file's ledger row, after all scans that use it."""
        file = file_pseudonym(outcome)
        self.files.append(
            {
                "file": file,
                "state": outcome.state,
                "reason": outcome.code,
                "flags": ";".join(sorted(outcome.flags)),
                "scan": self._scan_of.get(file),
                "bytes": outcome.size,
            }
        )

    def catalog(self) -> pd.DataFrame:
        """Return the catalogue, a row a scan."""
        columns = list(ScanRow.__dataclass_fields__)
        frame = pd.DataFrame([asdict(row) for row in self.scans], columns=columns)
        frame["shape"] = frame["shape"].map(lambda shape: "x".join(map(str, shape)))
        frame["spacing_mm"] = frame["spacing_mm"].map(lambda mm: None if mm is None else list(mm))
        frame["flags"] = frame["flags"].map(";".join)
        return frame.sort_values("scan", ignore_index=True)

    def ledger(self) -> pd.DataFrame:
        """Return the ledger, a row a file."""
        return pd.DataFrame(self.files).sort_values(["file", "state"], ignore_index=True)

    def locator(self) -> pd.DataFrame:
        """Return the private table of places."""
        return pd.DataFrame(self.places).sort_values(["scan", "order"], ignore_index=True)


def file_pseudonym(outcome: Outcome) -> str:
    """Return the pseudonym of a file or member, by its place in its archive."""
    return pseudonym("file", outcome.key)
