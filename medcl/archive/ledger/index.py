"""What earlier scans found, so that a rescan opens only files that are new or changed.

The index lies in the owner's private folder. A file is known again by a hash of its path, size and time of
change; its findings are kept as JSON text, in chunks that are written while a scan runs, so that a scan that
was interrupted goes on where it stopped.
"""

from __future__ import annotations

import os
import secrets
import shutil
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from medcl import __version__
from medcl.archive.formats.sidecar import shared_name
from medcl.archive.ledger.examine import FileOutcome
from medcl.archive.ledger.serialize import FIELDS, decode, encode
from medcl.archive.ledger.tables import CATALOG, LEDGER, LOCATOR, MASKS
from medcl.archive.privacy import private_file, private_folder, pseudonym
from medcl.archive.storage.listing import STAMP, Listing
from medcl.archive.storage.walk import Root
from medcl.files import atomic

MEANING = 2
"""To be raised when findings of the same form come to mean something else."""

BUCKETS = 64
GROUP_FILES = 20_000
SCHEMA = pa.schema(
    [("stamp", STAMP), ("position", pa.int32()), ("bucket", pa.uint8()), ("findings", pa.string())]
)
STALE_SHARE = 0.2


def form() -> str:
    """Return what an index is made of; one that another version of medcl made differs, and is left alone."""
    return repr((MEANING, __version__, BUCKETS, SCHEMA, FIELDS, CATALOG, LEDGER, MASKS, LOCATOR))


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

    def known(self) -> pa.ChunkedArray:
        """Return the stamps of all files whose findings are kept."""
        return pa.chunked_array(
            [part for chunk in self._chunks() for part in _column(chunk, "stamp").chunks], STAMP
        )

    def add(self, findings: Mapping[bytes, Sequence[FileOutcome]]) -> None:
        """Write the findings of some files as one chunk, whole or not at all."""
        rows = [
            (stamped, position, _bucket(outcome), encode(outcome))
            for stamped, outcomes in findings.items()
            for position, outcome in enumerate(outcomes)
        ]
        columns = dict(zip(SCHEMA.names, map(list, zip(*rows, strict=True)), strict=True))
        self._write(pa.table(columns, schema=SCHEMA))

    def groups(self, listing: Listing) -> Iterator[list[FileOutcome]]:
        """Yield the outcomes of the listed files in groups of bounded size; a series stands in one group.

        Within a group, outcomes stand in the order of the list.
        """
        sizes = [0] * BUCKETS
        for chunk in self._chunks():
            for item in _column(chunk, "bucket").value_counts().to_pylist():
                sizes[item["values"]] += item["counts"]
        for buckets in _together(sizes):
            yield self._group(buckets, listing)

    def _group(self, buckets: set[int], listing: Listing) -> list[FileOutcome]:
        parts = [pq.read_table(chunk, filters=[("bucket", "in", buckets)]) for chunk in self._chunks()]
        table = pa.concat_tables(parts)
        table = table.append_column("number", pa.array(listing.numbers(table["stamp"])))
        table = table.filter(pc.field("number") >= 0).sort_by(
            [("number", "ascending"), ("position", "ascending")]
        )
        pairs = zip(table["number"].to_pylist(), table["findings"].to_pylist(), strict=True)
        return [decode(text, listing[number]) for number, text in pairs]

    def prune(self, listing: Listing) -> None:
        """Forget files that are gone, once they are more than a fifth of the index."""
        gone = listing.numbers(self.known()) < 0
        if gone.mean() <= STALE_SHARE:
            return
        for chunk in self._chunks():
            table = pq.read_table(chunk)
            kept = table.filter(pa.array(listing.numbers(table["stamp"]) >= 0))
            if kept.num_rows:
                self._write(kept)
            chunk.unlink()

    def result(self, fingerprint: str) -> Path | None:
        """Return the folder of a catalog that was made from exactly these files, if there is one."""
        folder = self.folder / f"result-{fingerprint}"
        return folder if folder.is_dir() else None

    def keep_result(self, fingerprint: str, catalog: Path) -> None:
        """Keep a copy of a finished catalog, in place of earlier ones."""
        for old in self.folder.glob("result-*"):
            shutil.rmtree(old, ignore_errors=True)
        with atomic(self.folder / f"result-{fingerprint}") as temporary:
            shutil.copytree(catalog, temporary)

    def _chunks(self) -> list[Path]:
        return sorted(self.folder.glob("chunk-*.parquet"))

    def _write(self, table: pa.Table) -> None:
        with atomic(self.folder / f"chunk-{secrets.token_hex(8)}.parquet") as temporary:
            pq.write_table(table, private_file(temporary), compression="zstd")


def _column(chunk: Path, name: str) -> pa.ChunkedArray:
    return pq.read_table(chunk, columns=[name])[name]


def _is_whole(chunk: Path) -> bool:
    """True for a chunk as it was written; what a disk or another program damaged is examined again."""
    try:
        return bool(pq.read_schema(chunk).equals(SCHEMA))
    except (OSError, pa.ArrowException):
        return False


def _bucket(outcome: FileOutcome) -> int:
    """Return the bucket of a file, so that what belongs together is never torn apart: a series by its name,
    a NIfTI and its sidecar by theirs.
    """
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
