"""What a store costs at the size of an archive: start, memory, open files, bytes read, views per second.

    python benchmarks/scale.py rows      # 1,000,000 scans: seconds and memory until the first batch
    python benchmarks/scale.py shards    # 5,000 shards under `ulimit -n 1024`
    python benchmarks/scale.py slice     # bytes that one slice of a 512 x 512 x 300 volume costs
    python benchmarks/scale.py cold      # slices per second from disk, against other forms

`rows` uses sparse files. `slice` and `cold` drop the page cache before each measurement, as root alone can,
and read the kernel's counts (`/proc/self/io`). `cold` takes turns between this store, one memory-mapped file
per volume with slices along the last axis, MONAI's `PersistentDataset` and zarr (where it is installed),
reading the same slices in the same order; it prints medians over rounds and their ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import torch

from medcl.store import Store
from medcl.store.blocks import BLOCK, MOST_OPEN, shard_path, writing_shard
from medcl.store.columns import DTYPES, SCHEMA, measured_row, to_table, write_arrow
from medcl.store.measure import ANCHORS, Measures
from medcl.store.shards import write_arrays
from medcl.store.slices import slice_axis
from medcl.store.store import FORMAT, joined_columns
from medcl.views import ViewLoader, load_policy

EDGE = 64
SCANS_PER_SHARD = 2**16
VOLUME, SPACING = (512, 512, 300), (0.7, 0.7, 1.0)
AFFINE = np.diag([*SPACING, 1.0])


def write_store(folder: Path, scans: pd.DataFrame, stored: pa.Table) -> Path:
    """Write the tables of a store whose arrays are written already."""
    write_arrow(joined_columns(scans, stored), folder / "scans.arrow")
    splits = scans[["scan", "patient", "label"]].assign(split="train")
    splits.to_parquet(folder / "splits.parquet", index=False)
    (folder / "store.json").write_text(json.dumps({"format": FORMAT, "scans": len(scans), "faults": {}}))
    return folder


def table_of(count: int, kind: str, unit: str, modality: str) -> pd.DataFrame:
    """Return the columns of text and number that a store has for each of `count` scans."""
    number = np.arange(count)
    texts = {"kind": kind, "unit": unit, "modality": modality, "flags": "", "mask_from": "", "mask_fault": ""}
    return pd.DataFrame(
        {
            "scan": [f"s-{n:016x}" for n in number],
            "patient": [f"p-{n // 3:016x}" for n in number],
            "patient_evidence": "header",
            "site": [f"site-{n % 40}" for n in number],
            "body_part": "CHEST",
            "manufacturer": "synthetic",
            **texts,
            "label": None,
            "duplicate": "",
            "fingerprint": number.astype(np.uint64),
            "mask_fingerprint": np.zeros(count, np.uint64),
            "lo": 0.0,
            "hi": 255.0,
            "noise": 1.0,
        }
    )


def sparse_images(folder: Path, count: int) -> Path:
    """Write a store of `count` black images, whose pixels take no place on disk."""
    known = Measures(0, 0.0, 255.0, 1.0, (0, EDGE, 0, EDGE), tuple(range(EDGE)) * 2)
    one = to_table([measured_row((EDGE, EDGE), (2.0, 2.0), None, known)])
    stored = one.take(np.zeros(count, np.int64)).combine_chunks()
    number = np.arange(count)
    anchors = np.random.default_rng(0).integers(0, EDGE, (count, ANCHORS, 3), np.int32)
    anchors[..., 2] = 0
    columns = {
        "shard": (number // SCANS_PER_SHARD).astype(np.int32),
        "first_block": number % SCANS_PER_SHARD,
        "valid_block": np.full(count, -1),
        "mask_block": np.full(count, -1),
        "dtype": np.full(count, DTYPES.index("uint8"), np.int8),
        "mask_dtype": np.full(count, -1, np.int8),
        "codec": np.zeros(count, np.int8),
    }
    arrays = {name: pa.array(values, SCHEMA.field(name).type) for name, values in columns.items()}
    arrays["anchors"] = pa.FixedSizeListArray.from_arrays(pa.array(anchors.ravel()), 3 * ANCHORS)
    for name, values in arrays.items():
        stored = stored.set_column(stored.column_names.index(name), name, values)
    checksum = zlib.crc32(bytes(EDGE * EDGE))
    for shard in range(-(-count // SCANS_PER_SHARD)):
        held, path = min(SCANS_PER_SHARD, count - shard * SCANS_PER_SHARD), shard_path(folder, shard)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.with_suffix(".bin").open("wb") as stream:
            stream.truncate(held * EDGE * EDGE)
        blocks = np.zeros(held, BLOCK)
        blocks["offset"], blocks["size"], blocks["checksum"] = np.arange(held) * EDGE**2, EDGE**2, checksum
        np.save(path.with_suffix(".blocks.npy"), blocks)
    return write_store(folder, table_of(count, "image", "display", "DX"), stored)


def memory_mb() -> dict[str, int]:
    """Return megabytes of this process: its own, and of files that it shares with others."""
    lines = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return {name: int(lines[name].split()[0]) // 1000 for name in ("RssAnon", "RssFile")}


def measure_rows(folder: Path, count: int) -> None:
    """Print what it costs to open a store of many scans and to make the first batch."""
    store_folder = sparse_images(folder, count)
    before, begun = memory_mb(), time.perf_counter()
    store = Store.open(store_folder)
    opened = time.perf_counter()
    loader = ViewLoader(store, store.rows("train"), load_policy("cxr"), size=32, batch_size=256, seed=0)
    made = time.perf_counter()
    batches = loader.steps(0)
    next(batches)
    first, after = time.perf_counter(), memory_mb()
    batches.close()
    print(
        f"{count:,} scans: open {opened - begun:.1f} s, loader {made - opened:.1f} s, first batch "
        f"{first - made:.1f} s, together {first - begun:.1f} s; own memory {after['RssAnon']} MB "
        f"({before['RssAnon']} MB before), mapped files {after['RssFile']} MB"
    )


def measure_shards(folder: Path, count: int) -> None:
    """Read a scan of each of many shards with at most 1,024 open files."""
    rows = []
    for shard in range(count):
        path = shard_path(folder, shard)
        path.parent.mkdir(parents=True, exist_ok=True)
        image = np.full((EDGE, EDGE), shard % 256, np.uint8)
        with writing_shard(path) as writer:
            known = Measures(shard, 0.0, 255.0, 1.0, (0, EDGE, 0, EDGE), (1, 1))
            place = write_arrays(writer, -1, image)
            rows.append({**measured_row(image.shape, None, None, known), **place, "shard": shard})
    store = Store.open(write_store(folder, table_of(count, "image", "display", "DX"), to_table(rows)))
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    begun = time.perf_counter()
    for row in np.random.default_rng(0).permutation(count):
        assert (store.array(int(row)) == row % 256).all()
    handles = len(list(Path("/proc/self/fd").iterdir()))
    print(
        f"{count:,} shards under ulimit -n 1024: {time.perf_counter() - begun:.1f} s for one scan of each, "
        f"{handles} open files at the end (at most {MOST_OPEN} shards)"
    )


def volume_of(number: int) -> np.ndarray:
    """Return a volume (512, 512, 300) of int16 like a thin-slice CT: a body in air, with noise."""
    generator = np.random.default_rng(number)
    line = np.linspace(-1, 1, 512)
    body = (line[:, None] ** 2 + (line[None] / 0.8) ** 2) < 0.8
    plane = np.where(body, 40 + 60 * np.sin(7 * line)[:, None] * np.cos(5 * line)[None], -1000)
    volume = np.empty(VOLUME, np.int16)
    for index in range(VOLUME[2]):
        volume[..., index] = plane + generator.normal(0, 12, plane.shape)
    return volume


def volumes_store(folder: Path, count: int) -> Store:
    """Write a store of `count` volumes, eight to a shard."""
    rows = []
    for first in range(0, count, 8):
        shard = first // 8
        path = shard_path(folder, shard)
        path.parent.mkdir(parents=True, exist_ok=True)
        with writing_shard(path) as writer:
            for number in range(first, min(first + 8, count)):
                volume = volume_of(number)
                box = (30, 480, 30, 480, 0, VOLUME[2])
                anchors = np.random.default_rng(number).integers(60, 290, (ANCHORS, 3)).ravel()
                known = Measures(number, -900.0, 300.0, 12.0, box, tuple(int(n) for n in anchors))
                place = write_arrays(writer, slice_axis(AFFINE), volume)
                row = measured_row(volume.shape, SPACING, AFFINE, known)
                rows.append({**row, **place, "shard": shard})
    return Store.open(write_store(folder, table_of(count, "volume", "HU", "CT"), to_table(rows)))


def drop_page_cache() -> None:
    """Have the next reads come from disk (root alone may ask for it)."""
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("3")


def bytes_read() -> int:
    """Return the bytes that this process had read from disk."""
    return int(
        dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())["read_bytes"]
    )


def measure_slice(folder: Path) -> None:
    """Print the bytes that one 2-D view reads, as a multiple of its slice."""
    volumes_store(folder, 1)
    volume = volume_of(0)
    np.save(folder / "last.npy", volume)
    slice_bytes = volume[..., 0].nbytes
    store = Store.open(folder)
    store.affine(0)
    last = np.load(folder / "last.npy", mmap_mode="r")
    box = np.array([[0, 512], [0, 512], [150, 151]])
    ratios = {}
    for name, read in {
        "this store": lambda: store.array(0, box)[..., 150].sum(),
        "slices along the last axis": lambda: last[..., 150].sum(),
    }.items():
        drop_page_cache()
        before = bytes_read()
        read()
        ratios[name] = (bytes_read() - before) / slice_bytes
    print("bytes read for one slice, times its size: " + ", ".join(f"{k} {v:.2f}" for k, v in ratios.items()))


def readers(folder: Path, count: int) -> dict[str, Callable[[int, int], np.ndarray]]:
    """Return a function that reads one slice of one volume, by the name of the form on disk."""
    from monai.data import PersistentDataset

    store = volumes_store(folder / "store", count)
    flat = []
    for number in range(count):
        np.save(folder / f"{number}.npy", volume_of(number))
        flat.append(np.load(folder / f"{number}.npy", mmap_mode="r"))
    cached = PersistentDataset(list(range(count)), lambda n: torch.from_numpy(volume_of(n)), folder / "monai")
    for number in range(count):
        cached[number]
    boxes = np.tile(np.array([0, 512]), (3, 1))

    def from_store(number: int, index: int) -> np.ndarray:
        box = boxes.copy()
        box[2] = index, index + 1
        return np.ascontiguousarray(store.array(number, box)[..., index])

    forms: dict[str, Callable[[int, int], np.ndarray]] = {
        "this store": from_store,
        "memory map, slices last": lambda n, k: np.ascontiguousarray(flat[n][..., k]),
        "MONAI PersistentDataset": lambda n, k: cached[n][..., k].numpy().copy(),
    }
    try:
        import zarr
    except ImportError:
        return forms
    array = zarr.create_array(
        store=folder / "zarr",
        shape=(count, 300, 512, 512),
        chunks=(1, 1, 512, 512),
        shards=(1, 300, 512, 512),
        dtype="int16",
        compressors=None,
    )
    for number in range(count):
        array[number] = np.moveaxis(volume_of(number), -1, 0)
    opened = zarr.open_array(folder / "zarr", mode="r")
    return {**forms, "zarr, sharded": lambda n, k: np.asarray(opened[n, k])}


def measure_cold(folder: Path, count: int, views: int, rounds: int) -> None:
    """Print slices per second from disk for each form, and how many times faster this store is."""
    seconds: dict[str, list[float]] = {}
    forms = readers(folder, count)
    for turn in range(rounds):
        generator = np.random.default_rng(turn)
        wanted = [(int(n), int(k)) for n, k in generator.integers(0, (count, 300), (views, 2))]
        sums = set()
        for name, read in forms.items():
            drop_page_cache()
            part = wanted if name != "MONAI PersistentDataset" else wanted[: max(1, views // 8)]
            begun = time.perf_counter()
            values = [int(read(n, k)[::64].sum()) for n, k in part]
            seconds.setdefault(name, []).append((time.perf_counter() - begun) / len(part))
            sums.add(tuple(values[: views // 8]))
        assert len(sums) == 1, "all forms hold the same slices"
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    for name, median in medians.items():
        print(
            f"{name}: {1 / median:.0f} slices/s from disk; this store {median / medians['this store']:.1f}x"
        )


def main() -> None:
    """Run one measurement in a temporary folder."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["rows", "shards", "slice", "cold"])
    parser.add_argument("--scans", type=int, default=1_000_000)
    parser.add_argument("--shards", type=int, default=5000)
    parser.add_argument("--volumes", type=int, default=24)
    parser.add_argument("--views", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="Folder on the disk to measure.")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        folder = Path(name)
        if args.what == "rows":
            measure_rows(folder, args.scans)
        elif args.what == "shards":
            measure_shards(folder, args.shards)
        elif args.what == "slice":
            measure_slice(folder)
        else:
            measure_cold(folder, args.volumes, args.views, args.rounds)


if __name__ == "__main__":
    main()
