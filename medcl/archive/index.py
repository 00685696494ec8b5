"""What earlier scans found, so that a rescan opens only files that are new or changed.

The index lies in the owner's private folder. A file is known again by a hash of its path, size and time of
change; its findings are kept as JSON text, in chunks that are written while a scan runs, so that a scan that
was interrupted goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from medcl import __version__
from medcl.archive.examine import Outcome
from medcl.archive.findings import FIELDS, decode, encode
from medcl.archive.privacy import private_file, private_folder, pseudonym
from medcl.archive.records import CATALOG, LEDGER, LOCATOR, MASKS
from medcl.archive.sidecar import shared_name
from medcl.archive.sources import Entry, Root
from medcl.files import atomic

MEANING = 2
"""To be raised when findings of the same form come to mean something else."""

BUCKETS = 64
GROUP_FILES = 50_000
SCHEMA = pa.schema(
    [("stamp", pa.binary(16)), ("position", pa.int32()), ("bucket", pa.uint8()), ("findings", pa.string())]
)
STALE_SHARE = 0.2


def form() -> str:
    """Return what an index is made of; one that another version of medcl made differs, and is left alone."""
    return repr((MEANING, __version__, BUCKETS, SCHEMA, FIELDS, CATALOG, LEDGER, MASKS, LOCATOR))


def stamp(entry: Entry) -> bytes:
    """Return 128 bits that change when the file's path, size, rights or time of change do."""
    facts = f"{entry.path}\0{entry.size}\0{entry.mtime_ns}\0{entry.ctime_ns}\0{entry.fault}"
    return hashlib.blake2b(os.fsencode(facts), digest_size=16).digest()


class Index:
    """The findings of one set of archives.

    Args:
        roots: the archives; another set has another index.
    """

    def __init__(self, roots: Sequence[Root]) -> None:
        names = "\0".join(f"{root.path}\0{root.name}" for root in roots)
        identity = pseudonym("index", f"{form()}\0{names}")
        self.folder = private_folder("index") / identity
        self.folder.mkdir(mode=0o700, exist_ok=True)
        for chunk in self._chunks():
            if not _is_whole(chunk):
                chunk.unlink()

    def known(self) -> set[bytes]:
        """Return the stamps of all files whose findings are kept."""
        return {
            value
            for chunk in self._chunks()
            for value in pq.read_table(chunk, columns=["stamp"])["stamp"].to_pylist()
        }

    def add(self, findings: Mapping[bytes, Sequence[Outcome]]) -> None:
        """Write the findings of some files as one chunk, whole or not at all."""
        rows = [
            (stamped, position, _bucket(outcome), encode(outcome))
            for stamped, outcomes in findings.items()
            for position, outcome in enumerate(outcomes)
        ]
        columns = dict(zip(SCHEMA.names, map(list, zip(*rows, strict=True)), strict=True))
        self._write(pa.table(columns, schema=SCHEMA))

    def groups(self, entries: Mapping[bytes, tuple[int, Entry]]) -> Iterator[list[Outcome]]:
        """Yield the outcomes of `entries` in groups of bounded size; a DICOM series stands in one group.

        Args:
            entries: stamp to (number, entry); within a group, outcomes stand in the order of the numbers.
        """
        sizes = [0] * BUCKETS
        for chunk in self._chunks():
            counted = pq.read_table(chunk, columns=["bucket"])["bucket"].value_counts().to_pylist()
            for item in counted:
                sizes[item["values"]] += item["counts"]
        for buckets in _together(sizes):
            yield self._group(buckets, entries)

    def _group(self, buckets: set[int], entries: Mapping[bytes, tuple[int, Entry]]) -> list[Outcome]:
        found: dict[tuple[int, int], Outcome] = {}
        for chunk in self._chunks():
            table = pq.read_table(chunk, filters=[("bucket", "in", buckets)])
            columns = (table[name].to_pylist() for name in ("stamp", "position", "findings"))
            for stamped, position, text in zip(*columns, strict=True):
                if stamped in entries:
                    number, entry = entries[stamped]
                    found[number, position] = decode(text, entry)
        return [found[place] for place in sorted(found)]

    def prune(self, wanted: Iterable[bytes]) -> None:
        """Forget files that are gone, once they are more than a fifth of the index."""
        keep = set(wanted)
        known = self.known()
        if len(known - keep) <= STALE_SHARE * len(known):
            return
        for chunk in self._chunks():
            table = pq.read_table(chunk)
            kept = table.filter(pa.array([value in keep for value in table["stamp"].to_pylist()]))
            if kept.num_rows:
                self._write(kept)
            chunk.unlink()

    def result(self, fingerprint: str) -> Path | None:
        """Return the folder of a catalogue that was made from exactly these files, if there is one."""
        folder = self.folder / f"result-{fingerprint}"
        return folder if folder.is_dir() else None

    def keep_result(self, fingerprint: str, catalog: Path) -> None:
        """Keep a copy of a finished catalogue, in place of earlier ones."""
        for old in self.folder.glob("result-*"):
            shutil.rmtree(old, ignore_errors=True)
        with atomic(self.folder / f"result-{fingerprint}") as temporary:
            shutil.copytree(catalog, temporary)

    def _chunks(self) -> list[Path]:
        return sorted(self.folder.glob("chunk-*.parquet"))

    def _write(self, table: pa.Table) -> None:
        with atomic(self.folder / f"chunk-{secrets.token_hex(8)}.parquet") as temporary:
            pq.write_table(table, private_file(temporary), compression="zstd")


def _is_whole(chunk: Path) -> bool:
    """True for a chunk as it was written; what a disk or another program damaged is examined again."""
    try:
        return bool(pq.read_schema(chunk).equals(SCHEMA))
    except (OSError, pa.ArrowException):
        return False


def _bucket(outcome: Outcome) -> int:
    """Return the bucket of a file, so that what belongs together is never torn apart: a series by its name,
    a NIfTI and its sidecar by theirs."""
    series = outcome.header.shared.series_uid if outcome.header is not None else outcome.lacking
    if series or outcome.header is not None:
        return zlib.crc32(series.encode()) % BUCKETS
    return zlib.crc32(os.fsencode(shared_name(outcome.place))) % BUCKETS


def _together(sizes: Sequence[int]) -> Iterator[set[int]]:
    """Yield sets of buckets that hold up to GROUP_FILES files together."""
    waiting: set[int] = set()
    count = 0
    for bucket, size in enumerate(sizes):
        if waiting and count + size > GROUP_FILES:
            yield waiting
            waiting, count = set(), 0
        if size:
            waiting.add(bucket)
            count += size
    if waiting:
        yield waiting
