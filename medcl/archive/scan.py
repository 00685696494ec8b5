"""`medcl scan`: walk, read headers, put series together, write the catalogue and the ledger."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

from medcl.archive.catalog import Catalog
from medcl.archive.examine import Outcome, examine_all
from medcl.archive.flags import check_policy
from medcl.archive.gather import gather, reasons
from medcl.archive.index import Index, stamp
from medcl.archive.sources import Entry, check_roots, walk
from medcl.errors import UsageError
from medcl.files import atomic, new_folder
from medcl.progress import track

BATCH = 256
CHUNK = 4096


def scan_archive(archives: Sequence[Path], out: Path, policy: str = "default", workers: int = 1) -> Catalog:
    """Find every scan under `archives` and account for every file.

    Files that an earlier scan of the same archives examined are opened again only if they changed since; a
    scan that was interrupted goes on where it stopped.

    Args:
        archives: folders or files, in any order; the same file is taken once.
        out: a new folder for `catalog.parquet`, `ledger.parquet` and `summary.json`.
        policy: what may pass, see `medcl.archive.flags`.
        workers: processes that read headers.

    Raises:
        UsageError: a missing or empty archive, one without a readable image, a used `out`; then nothing is
            written.
    """
    check_policy(policy)
    roots = check_roots([Path(archive) for archive in archives])
    new_folder(out, "catalogue")
    entries = {stamp(entry): (number, entry) for number, entry in enumerate(walk(roots))}
    named = ", ".join(str(archive) for archive in archives)
    if not entries:
        raise UsageError(f"{named}: no files; name the folder that holds the scans")
    index = Index(roots)
    fingerprint = _fingerprint(entries, policy)
    earlier = index.result(fingerprint)
    if earlier is not None and Catalog.open(earlier).is_located():
        return _copied(earlier, out)
    _examine_new(index, entries, workers)
    tables = gather(index.groups(entries), policy)
    if not tables.scan_count:
        raise UsageError(f"{named}: no readable image in {len(entries)} files ({reasons(tables)})")
    catalog = Catalog.write(out, tables, policy)
    index.keep_result(fingerprint, out)
    index.prune(entries)
    return catalog


def _fingerprint(entries: Mapping[bytes, object], policy: str) -> str:
    """Return a hash of all files and the policy: when it is the same, so is the catalogue."""
    whole = hashlib.blake2b(policy.encode(), digest_size=16)
    for stamped in entries:
        whole.update(stamped)
    return whole.hexdigest()


def _copied(earlier: Path, out: Path) -> Catalog:
    with atomic(out) as temporary:
        shutil.copytree(earlier, temporary)
    return Catalog.open(out)


def _examine_new(index: Index, entries: Mapping[bytes, tuple[int, Entry]], workers: int) -> None:
    """Examine the files that the index does not know, and add what was found as the work goes on."""
    known = index.known()
    new = {stamped: entry for stamped, (_, entry) in entries.items() if stamped not in known}
    results = track(_examined(list(new.values()), workers), "scan", total=len(new), unit="file")
    pairs = zip(new, results, strict=True)
    while chunk := dict(islice(pairs, CHUNK)):
        index.add(chunk)


def _examined(entries: Sequence[Entry], workers: int) -> Iterator[list[Outcome]]:
    """Yield the outcomes of each entry, in their order whatever the number of workers."""
    batches = _batches(entries)
    if workers <= 1 or len(entries) <= BATCH:
        for batch in batches:
            yield from examine_all(batch)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for outcomes in pool.map(examine_all, batches):
            yield from outcomes


def _batches(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    remaining = iter(entries)
    while batch := list(islice(remaining, BATCH)):
        yield batch
