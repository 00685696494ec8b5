"""What a store costs at the size of a plan: storage, open files, memory, start and reading.

Everything is measured on the store of the configuration and scaled by the number of scans. Opening a store
and making its loader is timed with few and with many of its table's rows, repeated where there are fewer.
"""

from __future__ import annotations

import gc
import math
import resource
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import torch

from medcl.pretrain.config import PretrainConfig
from medcl.pretrain.cost.plan import size_text
from medcl.pretrain.data import TrainingData
from medcl.store.blocks import MOST_OPEN
from medcl.store.columns import SCHEMA, read_arrow, write_arrow
from medcl.store.shards import shard_limits
from medcl.views.paging import boxes_read

FEW_ROWS, MANY_ROWS = 5_000, 50_000
"""Rows of the tables whose opening is timed; their difference is what rows cost."""


@dataclass(frozen=True)
class StoreCost:
    """Cost of a store; files, memory, start and reading are those of one process.

    Attributes:
        scans: Scans to pretrain on.
        storage_bytes: Bytes on disk: pixels, masks, blocks and tables.
        table_bytes: Bytes of the memory-mapped table.
        shards: Number of shards.
        open_files: Files that are open at once.
        memory_bytes: Memory before the network is built.
        start_s: Seconds to open the store and to make the loader, from a table in the page cache.
        step_bytes: Bytes of the blocks that the views of a step lie in.
    """

    scans: int
    storage_bytes: int
    table_bytes: int
    shards: int
    open_files: int
    memory_bytes: int
    start_s: float
    step_bytes: int


def store_cost(config: PretrainConfig, scans: int | None, processes: int) -> StoreCost:
    """Measure the store of a configuration, and scale it to a number of scans.

    Args:
        config: Configuration of the run.
        scans: Scans to pretrain on; by default those of the store. The other splits grow with them.
        processes: Number of processes, which share each batch.
    """
    base = _memory()
    data = sample_data(config, processes)
    store, count = data.store, len(data.rows) if scans is None else scans
    factor = count / len(data.rows)
    rows = round(len(store) * factor)
    start = _scaled_start(config, rows)
    table = read_arrow(config.store / "scans.arrow")
    of_shards = table.select([name for name in table.column_names if name in SCHEMA.names])
    arrays = sum(path.stat().st_size for path in (config.store / "arrays").rglob("*") if _holds_arrays(path))
    voxels = store.measures(np.arange(len(store)), anchored=False).shape.prod(axis=1).sum()
    shards = shard_count(rows, int(voxels * factor))
    return StoreCost(
        scans=count,
        storage_bytes=round((arrays + table.nbytes + of_shards.nbytes) * factor),
        table_bytes=round(table.nbytes * factor),
        shards=shards,
        open_files=_open_files() + min(shards, MOST_OPEN),
        memory_bytes=base + start.memory,
        start_s=start.seconds,
        step_bytes=round(bytes_per_scan(data) * config.batch_size / processes),
    )


def sample_data(config: PretrainConfig, processes: int) -> TrainingData:
    """Return the scans of a configuration, with the batch of one process or as much of it as there is."""
    available = len(TrainingData(config.model_copy(update={"batch_size": 1})).rows)
    batch_size = min(config.batch_size // processes, available)
    return TrainingData(config.model_copy(update={"batch_size": batch_size}))


def shard_count(scans: int, voxels: int) -> int:
    """Return about how many shards `prepare` makes of equal scans that have `voxels` together."""
    most_scans, most_voxels = shard_limits(scans, voxels)
    per_shard = min(most_scans, max(1, most_voxels * scans // max(1, voxels)))
    return math.ceil(scans / per_shard)


def bytes_per_scan(data: TrainingData) -> float:
    """Return the mean bytes of the blocks that the views of a scan lie in, from one batch."""
    loader = data.training_loader()
    sizes: dict[tuple[int, int], int] = {}
    for params in loader.draw_batch(np.arange(loader.batch_size), 0).parts():
        for row, box in boxes_read(params, np.arange(params.shape[0])):
            sizes |= data.store.block_sizes(row, box)
    return sum(sizes.values()) / loader.batch_size


class _Start(NamedTuple):
    """Seconds and bytes of memory that opening a table and making a loader took."""

    seconds: float
    memory: int


def _scaled_start(config: PretrainConfig, rows: int) -> _Start:
    """Return the start of a run with a number of rows, from those with few and with many rows."""
    _timed_start(config, FEW_ROWS)  # imports and loads what does not depend on the rows
    few, many = _timed_start(config, FEW_ROWS), _timed_start(config, MANY_ROWS)
    times = max(0, rows - FEW_ROWS) / (MANY_ROWS - FEW_ROWS)
    return _Start(
        few.seconds + times * max(0.0, many.seconds - few.seconds),
        few.memory + round(times * max(0, many.memory - few.memory)),
    )


def _timed_start(config: PretrainConfig, rows: int) -> _Start:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _repeat_rows(config, folder, rows)
        repeated = config.model_copy(update={"store": folder, "batch_size": 1})
        gc.collect()
        before, begun = _memory(), time.perf_counter()
        data = TrainingData(repeated)
        used = data.training_loader(), data.identity(torch.zeros(1, dtype=torch.long))
        start = _Start(time.perf_counter() - begun, max(0, _memory() - before))
        del used
        return start


def _repeat_rows(config: PretrainConfig, folder: Path, rows: int) -> None:
    """Write the tables of a store of `rows` training scans, its own again and again."""
    table, splits = read_arrow(config.store / "scans.arrow"), pd.read_parquet(config.store / "splits.parquet")
    repeats = math.ceil(rows / len(table))
    write_arrow(pa.concat_tables([table] * repeats).slice(0, rows), folder / "scans.arrow")
    repeated = pd.concat([splits] * repeats)[:rows].assign(split=config.splits[0])
    repeated.to_parquet(folder / "splits.parquet", index=False)
    shutil.copy(config.store / "store.json", folder)


def _holds_arrays(path: Path) -> bool:
    return path.suffix in (".bin", ".npy")


def _open_files() -> int:
    """Return the number of files that this process has open, as far as the system tells."""
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.is_dir() else 0


def _memory() -> int:
    """Return the bytes of memory of this process: its own where the system tells, else the most so far."""
    status = Path("/proc/self/status")
    if status.is_file():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["RssAnon"].split()[0]) * 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def describe_store(cost: StoreCost) -> str:
    """Return the cost as lines of text."""
    return "\n".join(
        [
            f"store: {size_text(cost.storage_bytes)} in {cost.shards:,} shards, table "
            f"{size_text(cost.table_bytes)}; read per process and step: {size_text(cost.step_bytes)}",
            f"start of a process: {cost.start_s:.1f} s (table in memory), {size_text(cost.memory_bytes)} of "
            f"memory before the network; {cost.open_files} open files",
        ]
    )
