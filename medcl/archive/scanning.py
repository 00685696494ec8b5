"""`medcl scan`: walks archives, reads headers, groups series, writes the catalog and the ledger."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

from medcl.archive import dicom
from medcl.archive.catalog import Catalog
from medcl.archive.flags import check_accept
from medcl.archive.ledger import (
    FileOutcome,
    Index,
    examine_all,
    examine_in_processes,
    examine_on_cluster,
    gather,
    pseudonymized,
    reasons,
)
from medcl.archive.patients import compile_pattern
from medcl.archive.privacy import silenced_loggers
from medcl.archive.storage import Entry, Listing, check_roots
from medcl.archive.storage.walk import real_path, walk
from medcl.errors import UsageError
from medcl.files import atomic, new_folder
from medcl.progress import track

BATCH = 256
CHUNK = 4096


def scan_archive(
    archives: Sequence[Path | str],
    out: Path,
    accept: str = "default",
    workers: int = 1,
    scheduler: str | None = None,
    patient_pattern: str | None = None,
    follow_links: bool = False,
    owner: str | None = None,
) -> Catalog:
    """Find every scan under `archives` and account for every file.

    Files that an earlier scan of the same archives examined are opened again only if they changed since; an
    interrupted scan continues where it stopped.

    Args:
        archives: Folders, files or URLs (`s3://bucket/folder`), in any order; each file is examined once.
        out: New folder for `catalog.parquet`, `ledger.parquet` and `summary.json`.
        accept: Which flagged scans are used: `strict`, `default` or `lenient`, see `medcl.archive.flags`.
        workers: Number of processes on this machine that read headers.
        scheduler: Address of a Dask scheduler (`tcp://host:8786`) whose workers read headers instead; they
            must see the archives under the same paths.
        patient_pattern: Regular expression for the patient in a file's path (`compile_pattern`).
        follow_links: Whether links are followed. A file with several names is then read once, under that of
            the first link to it.
        owner: Name of the work that alone uses the catalog (`Catalog.owned`).

    Raises:
        UsageError: An archive is missing, empty or without a readable image, or `out` is in use or in an
            archive; then nothing is written.
    """
    check_accept(accept)
    pattern = None if patient_pattern is None else compile_pattern(patient_pattern)
    roots = check_roots(archives, follow_links)
    new_folder(out, "catalog")
    if any(out.resolve().is_relative_to(real_path(root.path)) for root in roots):
        raise UsageError(f"{out}: inside the archive, whose next scan would read it; name a folder outside")
    listing = Listing(walk(roots))
    named = ", ".join(str(archive) for archive in archives)
    if not len(listing):
        raise UsageError(f"{named}: no files; name the folder that holds the scans")
    index = Index(roots)
    fingerprint = _fingerprint(listing, f"{accept}\0{patient_pattern}")
    if (earlier := _copy_earlier(index, fingerprint, out)) is not None:
        return earlier if owner is None else earlier.owned(owner)
    index.forget_detached()
    _examine_new(index, listing, workers, scheduler)
    with silenced_loggers():  # where files may be copies, their pixels are compared
        tables = gather(index.groups(listing), partial(index.metadata_files, listing), accept, pattern)
    if not tables.scan_count:
        raise UsageError(f"{named}: no readable image in {len(listing)} files: {reasons(tables)}")
    catalog = Catalog.write(out, tables, accept, owner)
    if owner is None:
        index.store_result(fingerprint, out)
    index.prune(listing)
    return catalog


def _fingerprint(listing: Listing, settings: str) -> str:
    """Return a hash of all files, the settings and the decoders: when it is the same, so is the catalog."""
    whole = hashlib.blake2b(f"{settings}\0{dicom.installed()}".encode(), digest_size=16)
    whole.update(listing.stamps.buffers()[1])
    return whole.hexdigest()


def _copy_earlier(index: Index, fingerprint: str, out: Path) -> Catalog | None:
    """Return a copy at `out` of the stored catalog of exactly these files, or None if there is none."""
    stored = index.result(fingerprint)
    if stored is None or not Catalog.open(stored).is_located():
        return None
    with atomic(out) as temporary:
        shutil.copytree(stored, temporary)
    return Catalog.open(out)


def _examine_new(index: Index, listing: Listing, workers: int, scheduler: str | None) -> None:
    """Examine the files that the index does not have, and add their outcomes chunk by chunk."""
    new = listing.unknown(index.known_stamps())
    batches = _batches(listing[number] for number in new)
    outcomes_by_entry = (
        examine_on_cluster(batches, scheduler) if scheduler else _examine(batches, workers, len(new))
    )
    pairs = zip(new, track(outcomes_by_entry, "scan", total=len(new), unit="file"), strict=True)
    while chunk := list(islice(pairs, CHUNK)):
        index.add(
            {
                listing.stamp(number): [pseudonymized(outcome) for outcome in outcomes]
                for number, outcomes in chunk
            }
        )


def _examine(batches: Iterator[list[Entry]], workers: int, files: int) -> Iterator[list[FileOutcome]]:
    """Yield the outcomes of each entry in the order of the entries."""
    if workers > 1 and files > BATCH:
        yield from examine_in_processes(batches, workers)
        return
    for batch in batches:
        yield from examine_all(batch)


def _batches(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    remaining = iter(entries)
    while batch := list(islice(remaining, BATCH)):
        yield batch
