"""The catalog of an archive: a row a scan, a ledger row a file, and the private way back to the files."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from medcl.archive.flags import explain
from medcl.archive.ledger.tables import Tables
from medcl.archive.privacy import private_file, private_folder, pseudonym
from medcl.errors import UsageError
from medcl.files import atomic, read_json, write_json, write_table

VERSION = 1
STATES = ("used", "dropped", "quarantined")


class ArchiveError(UsageError):
    """A scan that cannot be read as catalogd; `scan` and `code` say which and why."""

    def __init__(self, scan: str, code: str) -> None:
        super().__init__(f"{scan}: {explain(code)} ({code})")
        self.scan = scan
        self.code = code


@dataclass(frozen=True)
class Catalog:
    """What `medcl scan` found; open it with `Catalog.open`.

    Attributes:
        folder: where `catalog.parquet`, `ledger.parquet` and `summary.json` stand.
        scans: One row per scan, sorted by `scan`: scan, patient, study, series and site (pseudonyms),
            patient_evidence (what says who the patient is, see `medcl.archive.patients`), modality, kind
            (`volume`, `picture`, `cine`), body_part, manufacturer, shape (`320x320x24`; a color picture
            whose channels prove equal loses its last axis on reading), spacing_mm, unit, source (`dicom`,
            `nifti`, `image`, `npz`), source_split and source_label (npz), n_files, flags (codes joined by
            `;`).
        policy: under which it was made.
        identity: pseudonym of the catalog, which names its private locator.
    """

    folder: Path
    scans: pd.DataFrame
    policy: str
    identity: str

    @classmethod
    def write(cls, folder: Path, tables: Tables, policy: str) -> Catalog:
        """Write the tables of a finished scan, which this empties, as a new catalog, the locator first."""
        locator = tables.locator()
        identity = pseudonym("catalog", _content_hash(locator))
        with atomic(_locator_path(identity)) as temporary:
            pq.write_table(locator, private_file(temporary))
        del locator
        with atomic(folder) as temporary:
            temporary.mkdir()
            for name, make in (
                ("ledger", tables.ledger),
                ("catalog", tables.catalog),
                ("masks", tables.masks),
            ):
                pq.write_table(make(), temporary / f"{name}.parquet")
            tables.clear()
            facts: dict[str, Any] = {"version": VERSION, "catalog": identity, "policy": policy}
            facts["missing_decoders"] = dict(sorted(tables.decoders.items()))
            scans = pd.read_parquet(temporary / "catalog.parquet", columns=list(_COUNTED))
            ledger = pd.read_parquet(temporary / "ledger.parquet", columns=["state", "reason"])
            write_json({**facts, **_summary(scans, ledger)}, temporary / "summary.json")
        return cls.open(folder)

    @classmethod
    def open(cls, folder: Path) -> Catalog:
        """Open a catalog.

        Raises:
            UsageError: `folder` holds none, a damaged one, or one of a later version.
        """
        if not (folder / "summary.json").is_file():
            raise UsageError(f"{folder}: no catalog; make one with medcl scan ARCHIVE -o {folder}")
        try:
            facts = read_json(folder / "summary.json")
            for name in ("ledger", "masks"):
                pq.read_schema(folder / f"{name}.parquet")
            scans = pd.read_parquet(folder / "catalog.parquet")
        except (ValueError, FileNotFoundError):
            raise UsageError(f"{folder}: a damaged catalog; scan the archive again") from None
        if facts["version"] > VERSION:
            raise UsageError(f"{folder}: written by a later medcl; update medcl, or scan again")
        return cls(folder, scans, facts["policy"], facts["catalog"])

    @property
    def ledger(self) -> pd.DataFrame:
        """A row a file: file, state (`used`, `dropped`, `quarantined`), reason, flags, scan, bytes."""
        return pd.read_parquet(self.folder / "ledger.parquet")

    @property
    def masks(self) -> pd.DataFrame:
        """Which masks belong to which scans: mask, scan, kind (`nifti`, `seg`, `rtstruct`).

        A `nifti` mask is itself a row of `scans`, flagged LABEL_MAP. Read it with `read_mask`, which holds
        its geometry against the scan's.
        """
        return pd.read_parquet(self.folder / "masks.parquet")

    def summary(self) -> dict[str, Any]:
        """Return counts of files by state and reason, of scans by modality and kind, and of flags.

        `missing_decoders` names the transfer syntaxes that cannot be decoded here, each with the number of
        its files and the command that installs its decoder.
        """
        written = read_json(self.folder / "summary.json")
        return {**_summary(self.scans, self.ledger), "missing_decoders": written["missing_decoders"]}

    def is_located(self) -> bool:
        """True when this machine knows where the files are."""
        return _locator_path(self.identity).is_file()

    def forget(self) -> None:
        """Delete the private table of places; the scans can then no longer be read."""
        _locator_path(self.identity).unlink(missing_ok=True)

    def locations(self) -> pd.DataFrame:
        """Return the private table of places, for code on the owner's machine only.

        Columns: scan, file (pseudonyms), path (a member's goes on inside its zip or tar), parent (name of
        its folder), container (the file on disk), member (number and name inside it), part (inside the
        file), order (of a scan's files), size, mtime_ns, head.

        Raises:
            UsageError: the locator is not on this machine.
        """
        return self._locations.copy()

    @cached_property
    def _locations(self) -> pd.DataFrame:
        if not self.is_located():
            raise UsageError(
                f"{self.folder}: its private locator is not on this machine (under MEDCL_HOME); scan again"
            )
        table = pd.read_parquet(_locator_path(self.identity))
        table["container"] = table["path"].map(os.fsdecode)
        table["member"] = table["member"].map(os.fsdecode)
        inside = table["member"].str.partition(":")[2]
        table["path"] = table["container"] + inside.where(inside == "", "/" + inside)
        table["parent"] = table["path"].map(lambda path: Path(path).parent.name)
        return table

    def part(self, scans: Iterable[str]) -> Catalog:
        """Return the catalog of some scans (and masks) alone, for a process that has no private locator."""
        wanted = set(scans)
        where = self._locations
        files = set(where.loc[where["scan"].isin(wanted), "file"])
        found = replace(self, scans=self.scans[self.scans["scan"].isin(wanted)])
        # The locator's rows take the place of the file that they would be read from.
        vars(found)["_locations"] = where[where["file"].isin(files)]
        return found

    @cached_property
    def places(self) -> dict[str, list[dict[str, Any]]]:
        """The locator by scan, each scan's files in order."""
        grouped: dict[str, list[dict[str, Any]]] = {}
        for row in self._locations.to_dict("records"):
            grouped.setdefault(str(row["scan"]), []).append({str(key): value for key, value in row.items()})
        return grouped

    @cached_property
    def rows(self) -> dict[str, dict[str, Any]]:
        """The catalog's rows by scan."""
        return {str(row["scan"]): _plain(row) for row in self.scans.to_dict("records")}

    def row(self, scan: str) -> dict[str, Any]:
        """Return the catalog's row of a scan.

        Raises:
            UsageError: there is no such scan.
        """
        if scan not in self.rows:
            raise UsageError(f"{self.folder}: no scan {scan[:40]!r}; its ids stand in catalog.parquet")
        return self.rows[scan]

    def record_fault(self, scan: str, code: str) -> None:
        """Note in the ledger that a catalogd scan or mask turned out to be unreadable.

        Its files become quarantined for `code`, but for files that hold other scans too, whose flags name
        the code. Several processes may do so at once.
        """
        files = {place["file"] for place in self.places[scan]}
        where = self._locations
        holding = where[where["file"].isin(files)].groupby("file")["scan"].nunique()
        with _locked(self.folder / "ledger.parquet"):
            ledger = self.ledger
            hit = ledger["file"].isin(files) & (ledger["state"] == "used")
            alone = hit & (ledger["file"].map(holding) == 1)
            ledger.loc[alone, ["state", "reason"]] = ["quarantined", code]
            shared = hit & ~alone
            ledger.loc[shared, "flags"] = ledger.loc[shared, "flags"].map(lambda f: _with_flag(f, code))
            if hit.any():
                write_table(ledger, self.folder / "ledger.parquet")


def _locator_path(identity: str) -> Path:
    return private_folder("locators") / f"{identity}.parquet"


def _content_hash(table: pa.Table) -> str:
    whole = hashlib.sha256()
    for batch in table.combine_chunks().to_batches(max_chunksize=65_536):
        whole.update(batch.serialize())
    return whole.hexdigest()


_COUNTED = ("patient", "patient_evidence", "modality", "kind", "flags")


def _summary(scans: pd.DataFrame, ledger: pd.DataFrame) -> dict[str, Any]:
    states = ledger["state"].value_counts()
    flags = Counter(flag for flags in scans["flags"] for flag in flags.split(";") if flag)
    return {
        "files": len(ledger),
        **{state: int(states.get(state, 0)) for state in STATES},
        "reasons": _counts(ledger.loc[ledger["reason"] != "", "reason"]),
        "scans": len(scans),
        "patients": int(scans["patient"].nunique()),
        "patient_evidence": _counts(scans["patient_evidence"]),
        "modalities": _counts(scans["modality"]),
        "kinds": _counts(scans["kind"]),
        "flags": dict(sorted(flags.items())),
    }


def _counts(column: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(column).items()))


def _plain(row: Mapping[Hashable, Any]) -> dict[str, Any]:
    """Return a row with None where nothing is known, however pandas says it."""
    return {str(key): None if isinstance(value, float) else value for key, value in row.items()}


def _with_flag(flags: str, code: str) -> str:
    return ";".join(sorted({*filter(None, flags.split(";")), code}))


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock on a file's folder while the file is rewritten."""
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
