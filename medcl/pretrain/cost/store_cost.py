"""What a store costs at the size of a plan: storage, open files, memory, start and reading.

Everything is measured on the store of the configuration and scaled by the number of scans. Opening a store
and making its loader is timed with the rows of its table repeated, because a small store takes no time.
"""

from __future__ import annotations

import math
import resource
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

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

TIMED_ROWS = 20_000
"""Rows of the table whose opening is timed."""


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
    row_s, row_memory = _start_per_row(config)
    data = sample_data(config, processes)
    store, count = data.store, len(data.rows) if scans is None else scans
    factor = count / len(data.rows)
    rows = round(len(store) * factor)
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
        memory_bytes=base + round(row_memory * rows),
        start_s=row_s * rows,
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


def _start_per_row(config: PretrainConfig) -> tuple[float, float]:
    """Return the seconds and bytes of memory that each row of the table costs at the start of a run."""
    with tempfile.TemporaryDirectory() as name:
        repeated = config.model_copy(update={"store": Path(name), "batch_size": 1})
        rows = _repeat_rows(config.store, Path(name))
        before, begun = _memory(), time.perf_counter()
        data = TrainingData(repeated)
        used = data.training_loader(), data.identity(torch.zeros(1, dtype=torch.long))
        seconds, grown = time.perf_counter() - begun, max(0, _memory() - before)
        del used
        return seconds / rows, grown / rows


def _repeat_rows(store: Path, folder: Path) -> int:
    """Write the tables of a store with its rows repeated; return their number."""
    table, splits = read_arrow(store / "scans.arrow"), pd.read_parquet(store / "splits.parquet")
    repeats = math.ceil(TIMED_ROWS / len(table))
    write_arrow(pa.concat_tables([table] * repeats), folder / "scans.arrow")
    pd.concat([splits] * repeats).to_parquet(folder / "splits.parquet", index=False)
    shutil.copy(store / "store.json", folder)
    return repeats * len(table)


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
