"""Shards of a store written side by side: in processes of this machine, or on a Dask cluster.

The workers of a cluster must see archive, catalog and store under the same paths. Which scans are in a shard
does not depend on the number of workers, so neither does the store.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from medcl.archive import Catalog, read
from medcl.cluster import on_cluster
from medcl.errors import UsageError
from medcl.processes import BrokenProcessPool, in_processes
from medcl.progress import track
from medcl.store.form import StoreForm
from medcl.store.labels import Labels
from medcl.store.shards import write_shard


@dataclass(frozen=True)
class ShardTask:
    """All that a worker needs to write one shard; it reads no private folder of the submitting machine.

    Attributes:
        catalog: Catalog of these scans and their masks only.
        scans: Scan pseudonyms in order.
        labels: Labels of these scans only.
        path: Path of the shard without suffix; None to only try whether the scans can be read.
        form: Form in which they are stored.
        crashed: Scans that end a process when they are read.
    """

    catalog: Catalog
    scans: tuple[str, ...]
    labels: Labels
    path: Path | None
    form: StoreForm
    crashed: frozenset[str] = frozenset()


def write_shards(
    catalog: Catalog,
    labels: Labels,
    shards: Sequence[tuple[Path, Sequence[str]]],
    form: StoreForm,
    workers: int = 1,
    scheduler: str | None = None,
) -> None:
    """Write shards in this process, in several, or on a cluster.

    Args:
        catalog: Catalog that the scans are read from.
        labels: Masks, boxes and modalities to store with the scans.
        shards: Path without suffix and scans of each shard.
        form: Form in which they are stored.
        workers: Number of processes on this machine.
        scheduler: Address of a Dask scheduler, whose workers then do the work.

    Raises:
        UsageError: Dask is not installed, or no scheduler answers.
    """
    tasks = (_task(catalog, labels, path, scans, form) for path, scans in shards)
    if scheduler:
        results = on_cluster(_write, tasks, scheduler, _after_lost_worker)
    elif workers > 1 and len(shards) > 1:
        results = in_processes(_write, tasks, min(workers, len(shards)), _after_lost_process)
    else:
        results = map(_write, tasks)
    for _ in track(results, "prepare", total=len(shards), unit="shard"):
        pass


def _task(catalog: Catalog, labels: Labels, path: Path, scans: Sequence[str], form: StoreForm) -> ShardTask:
    masks = {scan: labels.mask[scan] for scan in scans if scan in labels.mask}
    modality = {scan: labels.modality[scan] for scan in scans if scan in labels.modality}
    boxes = {scan: labels.box[scan] for scan in scans if scan in labels.box}
    task_labels = replace(
        labels, label={}, patient={}, mask=masks, modality=modality, extra=labels.extra[:0], box=boxes
    )
    subset = catalog.subset([*scans, *masks.values()])
    return ShardTask(subset, tuple(scans), task_labels, path.absolute(), form)


def _write(task: ShardTask) -> None:
    if task.path is not None:
        write_shard(task.catalog, task.scans, task.labels, task.path, task.form, task.crashed)
        return
    for scan in task.scans:
        try:
            read(task.catalog, scan)
        except UsageError:
            continue


def _after_lost_worker(task: ShardTask, submit: Callable[[ShardTask], None]) -> None:
    from distributed import KilledWorker

    _without_crashes(task, submit, KilledWorker)


def _after_lost_process(task: ShardTask, submit: Callable[[ShardTask], None]) -> None:
    _without_crashes(task, submit, BrokenProcessPool)


def _without_crashes(task: ShardTask, submit: Callable[[ShardTask], None], died: type[Exception]) -> None:
    """Find the scans that end a process when they are read, and write the shard without them."""
    crashed = set()
    for scan in task.scans:
        try:
            submit(replace(task, scans=(scan,), path=None))
        except died:
            crashed.add(scan)
    submit(replace(task, crashed=frozenset(crashed)))
