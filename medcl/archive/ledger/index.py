"""Outcomes of earlier scans, so that a rescan opens only files that are new or changed.

The index is in the owner's private folder. A file is identified by a hash of its path, size and time of
change; its outcomes are stored as JSON text, in chunks that are written while a scan runs, so that an
interrupted scan continues where it stopped.
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
from medcl.archive.ledger.examine import FileOutcome
from medcl.archive.ledger.metadata_files import is_metadata
from medcl.archive.ledger.serialize import FIELDS, decode, encode
from medcl.archive.ledger.tables import CATALOG, LEDGER, LOCATOR, MASKS
from medcl.archive.privacy import private_file, private_folder, pseudonym
from medcl.archive.storage.listing import STAMP, Listing
from medcl.archive.storage.walk import Root
from medcl.files import atomic

CONTENT_VERSION = 5
"""To be raised when the meaning of outcomes changes while their fields stay the same."""

BUCKETS = 64
GROUP_FILES = 20_000
SCHEMA = pa.schema(
    [
        ("stamp", STAMP),
        ("position", pa.int32()),
        ("bucket", pa.uint8()),
        ("outcome", pa.string()),
        ("detached", pa.bool_()),
        ("metadata", pa.bool_()),
    ]
)
STALE_SHARE = 0.2


def index_format() -> str:
    """Return a description of the index, which differs between versions of medcl; others are ignored."""
    return repr((CONTENT_VERSION, __version__, BUCKETS, SCHEMA, FIELDS, CATALOG, LEDGER, MASKS, LOCATOR))


class Index:
    """Stored outcomes of one set of archives.

    Args:
        roots: The archives; another set has another index.
    """

    def __init__(self, roots: Sequence[Root]) -> None:
        names = "\0".join(f"{root.path}\0{root.name}" for root in roots)
        identity = pseudonym("index", f"{index_format()}\0{names}")
        self.folder = private_folder("index") / identity
        self.folder.mkdir(mode=0o700, exist_ok=True)
        for chunk in self._chunks():
            if not _is_whole(chunk):
                chunk.unlink()

    def known_stamps(self) -> pa.ChunkedArray:
        """Return the stamps of all files whose outcomes are stored."""
        return pa.chunked_array(
            [part for chunk in self._chunks() for part in _column(chunk, "stamp").chunks], STAMP
        )

    def forget_detached(self) -> None:
        """Forget the headers whose voxels are in a file of their own, which may have changed without them."""
        for chunk in self._chunks():
            if not pc.any(_column(chunk, "detached")).as_py():
                continue
            table = pq.read_table(chunk)
            table = table.filter(pc.invert(table["detached"]))
            if table.num_rows:
                self._write(table)
            chunk.unlink()

    def add(self, outcomes_by_stamp: Mapping[bytes, Sequence[FileOutcome]]) -> None:
        """Write the outcomes of some files as one chunk, atomically."""
        rows = [
            (stamp, position, _bucket(outcome), encode(outcome), _is_detached(outcome), is_metadata(outcome))
            for stamp, outcomes in outcomes_by_stamp.items()
            for position, outcome in enumerate(outcomes)
        ]
        columns = dict(zip(SCHEMA.names, map(list, zip(*rows, strict=True)), strict=True))
        self._write(pa.table(columns, schema=SCHEMA))

    def groups(self, listing: Listing) -> Iterator[list[FileOutcome]]:
        """Yield the outcomes of the listed files in groups of bounded size, in the order of the list.

        The files of a study are in one group: a broken series is spread over many series of it.
        """
        sizes = [0] * BUCKETS
        for chunk in self._chunks():
            for item in _column(chunk, "bucket").value_counts().to_pylist():
                sizes[item["values"]] += item["counts"]
        for buckets in _bucket_groups(sizes):
            yield self._group(buckets, listing)

    def metadata_files(self, listing: Listing) -> Iterator[FileOutcome]:
        """Yield the outcomes of the listed sidecars and descriptions of data sets, in their order."""
        chunks = [chunk for chunk in self._chunks() if pc.any(_column(chunk, "metadata")).as_py()]
        yield from _decoded(
            [pq.read_table(chunk, filters=[("metadata", "=", True)]) for chunk in chunks], listing
        )

    def _group(self, buckets: set[int], listing: Listing) -> list[FileOutcome]:
        filters = [("bucket", "in", buckets)]
        return _decoded([pq.read_table(chunk, filters=filters) for chunk in self._chunks()], listing)

    def prune(self, listing: Listing) -> None:
        """Delete the outcomes of files that are gone, once they are more than a fifth of the index."""
        gone = listing.numbers(self.known_stamps()) < 0
        if gone.mean() <= STALE_SHARE:
            return
        for chunk in self._chunks():
            table = pq.read_table(chunk)
            present = table.filter(pa.array(listing.numbers(table["stamp"]) >= 0))
            if present.num_rows:
                self._write(present)
            chunk.unlink()

    def result(self, fingerprint: str) -> Path | None:
        """Return the folder of the stored catalog of exactly these files, if there is one."""
        folder = self.folder / f"result-{fingerprint}"
        return folder if folder.is_dir() else None

    def store_result(self, fingerprint: str, catalog: Path) -> None:
        """Store a copy of a finished catalog, in place of earlier ones."""
        for old in self.folder.glob("result-*"):
            shutil.rmtree(old, ignore_errors=True)
        with atomic(self.folder / f"result-{fingerprint}") as temporary:
            shutil.copytree(catalog, temporary)

    def _chunks(self) -> list[Path]:
        return sorted(self.folder.glob("chunk-*.parquet"))

    def _write(self, table: pa.Table) -> None:
        with atomic(self.folder / f"chunk-{secrets.token_hex(8)}.parquet") as temporary:
            pq.write_table(table, private_file(temporary), compression="zstd")


def _decoded(parts: Sequence[pa.Table], listing: Listing) -> list[FileOutcome]:
    """Return the outcomes of the listed files among some rows, in the order of the list."""
    if not parts:
        return []
    table = pa.concat_tables(parts)
    table = table.append_column("number", pa.array(listing.numbers(table["stamp"])))
    table = table.filter(pc.field("number") >= 0).sort_by(
        [("number", "ascending"), ("position", "ascending")]
    )
    pairs = zip(table["number"].to_pylist(), table["outcome"].to_pylist(), strict=True)
    return [decode(text, listing[number]) for number, text in pairs]


def _column(chunk: Path, name: str) -> pa.ChunkedArray:
    return pq.read_table(chunk, columns=[name])[name]


def _is_whole(chunk: Path) -> bool:
    """Return whether a chunk is as it was written; the files of a damaged one are examined again."""
    try:
        return bool(pq.read_schema(chunk).equals(SCHEMA))
    except (OSError, pa.ArrowException):
        return False


def _is_detached(outcome: FileOutcome) -> bool:
    """Return whether a file on disk is a header whose voxels are, or should be, in another one."""
    has_data = any(scan.data is not None for scan in outcome.scans)
    return not outcome.member and (has_data or outcome.code.startswith("DATA_"))


def _bucket(outcome: FileOutcome) -> int:
    """Return the bucket of a file: the same for the files of a study."""
    if outcome.header is not None:
        shared = outcome.header.shared
        return zlib.crc32((shared.study_uid or shared.series_uid).encode()) % BUCKETS
    if outcome.truncated_series:
        return zlib.crc32((outcome.truncated_study or outcome.truncated_series).encode()) % BUCKETS
    return zlib.crc32(os.fsencode(outcome.place)) % BUCKETS


def _bucket_groups(sizes: Sequence[int]) -> Iterator[set[int]]:
    """Yield sets of buckets that hold up to GROUP_FILES files in total."""
    group: set[int] = set()
    count = 0
    for bucket, size in enumerate(sizes):
        if group and count + size > GROUP_FILES:
            yield group
            group, count = set(), 0
        if size:
            group.add(bucket)
            count += size
    if group:
        yield group
