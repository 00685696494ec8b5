"""Reading ahead of the network: scans become the views that a model takes, and their pixels are forgotten."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from medcl.archive import ArchiveError, Catalog
from medcl.errors import UsageError
from medcl.finetune import Images, ModelConfig, whole_views
from medcl.processes import BrokenProcessPool, in_processes
from medcl.store import Labels, StoredScan, stored_scan
from medcl.views import SingleScan

SCANS_PER_TASK = 4
"""Scans that are read at once; their views are all that a task keeps in memory."""

TASKS_AHEAD = 2
"""Tasks that a thread of this process does ahead."""


@dataclass(frozen=True)
class ReadTask:
    """All that a worker needs to read some scans of one part.

    Attributes:
        part: Number of the part.
        catalog: Catalog of these scans and their masks only.
        scans: Scan pseudonyms in order.
        labels: Masks and modalities of the scans.
        config: Configuration of the model.
        images: Presentation of scans to the model.
    """

    part: int
    catalog: Catalog
    scans: tuple[str, ...]
    labels: Labels
    config: ModelConfig
    images: Images


@dataclass(frozen=True)
class ScanViews:
    """One scan as the model takes it.

    Attributes:
        part: Number of its part.
        scan: Pseudonym.
        reason: Why it is not predicted, or an empty text.
        row: Its columns in a store (`medcl.store.StoredScan`); empty for a scan that cannot be read.
        views: (K, C, *spatial) float32 views; None for a scan that is not predicted.
    """

    part: int
    scan: str
    reason: str
    row: dict[str, Any]
    views: np.ndarray | None = None


def read_ahead(tasks: Iterable[ReadTask], workers: int) -> Generator[ScanViews, None, None]:
    """Yield the scans of the tasks in order; the next ones are read meanwhile, a bounded number.

    Args:
        tasks: Any number of tasks, taken as they are begun.
        workers: Number of processes that read; with one it is a thread of this process.
    """
    results = in_processes(read_views, tasks, workers, _after_death) if workers > 1 else _in_thread(tasks)
    for scans in results:
        yield from scans


def _in_thread(tasks: Iterable[ReadTask]) -> Iterator[list[ScanViews]]:
    remaining = iter(tasks)

    def read_next() -> list[ScanViews] | None:
        task = next(remaining, None)
        return None if task is None else read_views(task)

    pool = ThreadPoolExecutor(1, thread_name_prefix="read")
    try:
        running = deque(pool.submit(read_next) for _ in range(TASKS_AHEAD))
        while (scans := running.popleft().result()) is not None:
            running.append(pool.submit(read_next))
            yield scans
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def read_views(task: ReadTask) -> list[ScanViews]:
    """Return the views of the scans of a task."""
    return [_read(task, scan) for scan in task.scans]


def _read(task: ReadTask, scan: str) -> ScanViews:
    try:
        stored = stored_scan(task.catalog, scan, task.labels, task.config.store_form)
    except UsageError as error:
        code = error.code if isinstance(error, ArchiveError) else "UNREADABLE"
        return ScanViews(task.part, scan, code, {})
    reason = mismatch(stored.row, task.config, task.images)
    views = None if reason else _views(stored, task.images, task.catalog.row(scan)["body_part"])
    return ScanViews(task.part, scan, reason, stored.row, views)


def mismatch(row: dict[str, Any], config: ModelConfig, images: Images) -> str:
    """Return why a scan does not fit the model's training data, or an empty text.

    Args:
        row: Columns `modality`, `kind` and `unit` of the scan in a store.
        config: Configuration of the model.
        images: Presentation of scans to the model.
    """
    if row["modality"] not in config.modalities:
        return "OTHER_MODALITY"
    if images.volumes_only and row["kind"] != "volume":
        return "NOT_A_VOLUME"
    return "" if row["unit"] in config.units else "OTHER_UNIT"


def _views(stored: StoredScan, images: Images, body_part: str | None) -> np.ndarray:
    loader = whole_views(SingleScan.of_stored(stored, body_part), [0], images)
    views: np.ndarray = loader.batch(np.zeros(1, np.int64), epoch=0).data[0].numpy()
    return views


def _after_death(task: ReadTask, alone: Callable[[ReadTask], list[ScanViews]]) -> list[ScanViews]:
    """Read each scan in a process of its own; those that end it are left out."""
    scans: list[ScanViews] = []
    for scan in task.scans:
        try:
            scans += alone(replace(task, scans=(scan,)))
        except BrokenProcessPool:
            task.catalog.record_fault(scan, "CRASHED")
            scans.append(ScanViews(task.part, scan, "CRASHED", {}))
    return scans
