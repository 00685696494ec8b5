"""Catalog of an archive: one row per scan, one ledger row per file, and a private table of file paths."""

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

from medcl.archive.flags import explain, join_flags, split_flags
from medcl.archive.ledger.tables import Tables
from medcl.archive.privacy import private_file, private_folder, pseudonym
from medcl.errors import UsageError
from medcl.files import atomic, read_json, write_json, write_table

VERSION = 1
STATES = ("used", "dropped", "quarantined")


class ArchiveError(UsageError):
    """A cataloged scan that cannot be read.

    Attributes:
        scan: Pseudonym of the scan.
        code: Reason, a code of `medcl.archive.flags`.
    """

    def __init__(self, scan: str, code: str) -> None:
        super().__init__(f"{scan}: {explain(code)} ({code})")
        self.scan = scan
        self.code = code


@dataclass(frozen=True)
class Catalog:
    """Result of `medcl scan`; open it with `Catalog.open`.

    Attributes:
        folder: Folder of `catalog.parquet`, `masks.parquet`, `ledger.parquet` and `summary.json`.
        scans: One row per scan, sorted by `scan`: scan, patient, study, series and site (pseudonyms),
            patient_evidence (how the patient was identified, see `medcl.archive.patients`), modality, kind
            (`volume`, `image`, `cine`), body_part, manufacturer, shape (`320x320x24`; a color image whose
            channels are equal is read without its last axis), spacing_mm, unit, source (`dicom`, `nifti`,
            `image`, `npz`), source_split and source_label (npz), n_files, flags (codes joined by `;`).
        accept: Which flagged scans are used: `strict`, `default` or `lenient`.
        identity: Pseudonym of the catalog, which names its private locator.
    """

    folder: Path
    scans: pd.DataFrame
    accept: str
    identity: str

    @classmethod
    def write(cls, folder: Path, tables: Tables, accept: str, owner: str | None = None) -> Catalog:
        """Write the tables of a finished scan as a new catalog, and empty them.

        Args:
            folder: New folder of the catalog.
            tables: Rows of the scan.
            accept: Which flagged scans are used.
            owner: Who alone uses the catalog, if anyone; see `owned`.
        """
        locator = tables.locator()
        identity = _owned_identity(pseudonym("catalog", _content_hash(locator)), owner)
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
            header = {"version": VERSION, "catalog": identity, "accept": accept}
            decoders = {"missing_decoders": dict(sorted(tables.decoders.items()))}
            scans = pd.read_parquet(temporary / "catalog.parquet", columns=list(_COUNTED))
            ledger = pd.read_parquet(temporary / "ledger.parquet", columns=["state", "reason"])
            write_json({**header, **decoders, **_summary(scans, ledger)}, temporary / "summary.json")
        return cls.open(folder)

    @classmethod
    def open(cls, folder: Path) -> Catalog:
        """Open a catalog.

        Raises:
            UsageError: `folder` holds no catalog, a damaged one, or one of a later version.
        """
        if not (folder / "summary.json").is_file():
            raise UsageError(f"{folder}: no catalog; make one with medcl scan ARCHIVE -o {folder}")
        try:
            summary = read_json(folder / "summary.json")
            for name in ("ledger", "masks"):
                pq.read_schema(folder / f"{name}.parquet")
            scans = pd.read_parquet(folder / "catalog.parquet")
        except (ValueError, FileNotFoundError):
            raise UsageError(f"{folder}: damaged catalog; scan the archive again") from None
        if summary["version"] > VERSION:
            raise UsageError(f"{folder}: written by a later version of medcl; update medcl or scan again")
        if "accept" not in summary:
            raise UsageError(f"{folder}: 'policy' is named 'accept' now; scan the archive again")
        return cls(folder, scans, summary["accept"], summary["catalog"])

    @property
    def ledger(self) -> pd.DataFrame:
        """One row per file: file, state (`used`, `dropped`, `quarantined`), reason, flags, scan, bytes."""
        return pd.read_parquet(self.folder / "ledger.parquet")

    @property
    def masks(self) -> pd.DataFrame:
        """One row per pair of mask and scan, with the columns mask, scan and kind.

        The kind is `seg`, `rtstruct`, `image`, or the format of a volume of labels, such as `nifti`.

        A mask in a file of its own is itself a row of `scans`, flagged LABEL_MAP, unless several masks of one
        image are united. Read masks with `read_mask`, which checks their geometry.
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
        """Return whether the private locator of this catalog is on this machine."""
        return _locator_path(self.identity).is_file()

    @staticmethod
    def located() -> frozenset[str]:
        """Return the identities of all catalogs whose private locators are on this machine."""
        return frozenset(path.stem for path in private_folder("locators").glob("*.parquet"))

    def owned(self, owner: str) -> Catalog:
        """Return this catalog with a locator of its own, so that to forget it takes no other catalog's away.

        Catalogs of the same files share one locator otherwise.

        Args:
            owner: Name of the work that alone uses the catalog.
        """
        identity = _owned_identity(self.identity, owner)
        with atomic(_locator_path(identity)) as temporary:
            os.link(_locator_path(self.identity), temporary)
        record = read_json(self.folder / "summary.json")
        write_json({**record, "catalog": identity}, self.folder / "summary.json")
        return Catalog.open(self.folder)

    def forget(self) -> None:
        """Delete the private locator; the scans can then no longer be read."""
        _locator_path(self.identity).unlink(missing_ok=True)

    def locations(self) -> pd.DataFrame:
        """Return the private table of file paths, for use on the owner's machine only.

        Columns: scan and file (pseudonyms), path (continued inside a zip or tar), parent (name of the
        folder), container (file on disk), member (number and name in the container), part (within the
        file), order (of the files of a scan), size, mtime_ns, head.

        Raises:
            UsageError: The locator is not on this machine.
        """
        return self._locations.copy()

    @cached_property
    def _locations(self) -> pd.DataFrame:
        if not self.is_located():
            raise UsageError(
                f"{self.folder}: its private locator is not on this machine (under MEDCL_HOME); scan again"
            )
        table = pd.read_parquet(_locator_path(self.identity))
        containers = [os.fsdecode(path) for path in table["path"]]
        members = [os.fsdecode(member) for member in table["member"]]
        paths = [_join(*place) for place in zip(containers, members, strict=True)]
        parents = [path.rpartition("/")[0].rpartition("/")[2] for path in paths]
        columns = {"container": containers, "member": members, "path": paths, "parent": parents}
        for name, values in columns.items():
            # Of objects: the text columns of pandas refuse names that are not UTF-8.
            table[name] = pd.Series(values, table.index, dtype=object)
        return table

    def subset(self, scans: Iterable[str]) -> Catalog:
        """Return the catalog of the given scans and masks, for a process without the private locator."""
        selected = set(scans)
        locations = self._locations
        files = set(locations.loc[locations["scan"].isin(selected), "file"])
        catalog = replace(self, scans=self.scans[self.scans["scan"].isin(selected)])
        # Set the cached property, as the other process cannot read the locator.
        vars(catalog)["_locations"] = locations[locations["file"].isin(files)]
        return catalog

    @cached_property
    def files_by_scan(self) -> dict[str, list[dict[str, Any]]]:
        """Rows of the locator by scan, the files of each scan in order."""
        grouped: dict[str, list[dict[str, Any]]] = {}
        for row in self._locations.to_dict("records"):
            grouped.setdefault(str(row["scan"]), []).append({str(key): value for key, value in row.items()})
        return grouped

    @cached_property
    def _rows(self) -> dict[str, dict[str, Any]]:
        """Rows of the catalog by scan."""
        return {str(row["scan"]): _plain(row) for row in self.scans.to_dict("records")}

    def row(self, scan: str) -> dict[str, Any]:
        """Return the row of a scan.

        Raises:
            UsageError: There is no such scan.
        """
        if scan not in self._rows:
            raise UsageError(f"{self.folder}: no scan {scan[:40]!r}; catalog.parquet lists the scans")
        return self._rows[scan]

    def record_fault(self, scan: str, code: str) -> None:
        """Record in the ledger that a cataloged scan or mask cannot be read.

        Its files are quarantined for `code`; files that also hold other scans stay used and get the code as
        a flag. Safe to call from several processes at once.
        """
        files = {row["file"] for row in self.files_by_scan[scan]}
        locations = self._locations
        scans_per_file = locations[locations["file"].isin(files)].groupby("file")["scan"].nunique()
        with _locked(self.folder / "ledger.parquet"):
            ledger = self.ledger
            affected = ledger["file"].isin(files) & (ledger["state"] == "used")
            single = affected & (ledger["file"].map(scans_per_file) == 1)
            ledger.loc[single, ["state", "reason"]] = ["quarantined", code]
            shared = affected & ~single
            ledger.loc[shared, "flags"] = ledger.loc[shared, "flags"].map(lambda f: _with_flag(f, code))
            if affected.any():
                write_table(ledger, self.folder / "ledger.parquet")

    def record_flag(self, scan: str, code: str) -> None:
        """Record a flag in the ledger for the files of a cataloged scan or mask.

        Safe to call from several processes at once.
        """
        files = {row["file"] for row in self.files_by_scan[scan]}
        with _locked(self.folder / "ledger.parquet"):
            ledger = self.ledger
            affected = ledger["file"].isin(files)
            flags = ledger.loc[affected, "flags"].map(lambda flags: _with_flag(flags, code))
            if not flags.equals(ledger.loc[affected, "flags"]):
                ledger.loc[affected, "flags"] = flags
                write_table(ledger, self.folder / "ledger.parquet")


def _join(path: str, member: str) -> str:
    """Return the path of a file, continued inside a zip or tar."""
    inside = member.partition(":")[2]
    return f"{path}/{inside}" if inside else path


def _owned_identity(identity: str, owner: str | None) -> str:
    return identity if owner is None else pseudonym("catalog", f"{owner}\0{identity}")


def _locator_path(identity: str) -> Path:
    return private_folder("locators") / f"{identity}.parquet"


def _content_hash(table: pa.Table) -> str:
    digest = hashlib.sha256()
    for batch in table.combine_chunks().to_batches(max_chunksize=65_536):
        digest.update(batch.serialize())
    return digest.hexdigest()


_COUNTED = ("patient", "patient_evidence", "modality", "kind", "flags")


def _summary(scans: pd.DataFrame, ledger: pd.DataFrame) -> dict[str, Any]:
    states = ledger["state"].value_counts()
    flags = Counter(flag for flags in scans["flags"] for flag in split_flags(flags))
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
    """Return a row with None for unknown values, which pandas holds as NaN."""
    return {str(key): None if isinstance(value, float) else value for key, value in row.items()}


def _with_flag(flags: str, code: str) -> str:
    return join_flags({*split_flags(flags), code})


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock on the folder of a file that is rewritten."""
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
