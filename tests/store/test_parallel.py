"""A store that processes or a Dask cluster wrote is that of one process, also when workers die."""

from __future__ import annotations

import os
import pickle
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from medcl.archive import Catalog, scan_archive
from medcl.errors import UsageError
from medcl.store import Store, parallel, prepare
from medcl.store.columns import read_arrow
from medcl.store.form import StoreForm
from medcl.store.labels import read_labels
from tests.killable import pools_of_the_server


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=50
    ) as running:
        yield running


def mixed(folder: Path) -> Catalog:
    """Scan images, volumes with masks, and a file that cannot be read."""
    generator = np.random.default_rng(0)
    archive = folder / "archive"
    archive.mkdir()
    for number in range(12):
        Image.fromarray(generator.integers(0, 255, (24, 30), np.uint8)).save(archive / f"p{number}.png")
    for number in range(4):
        volume = generator.normal(size=(9, 8, 7)).astype(np.float32)
        nib.Nifti1Image(volume, np.eye(4)).to_filename(archive / f"v{number}.nii")
        nib.Nifti1Image((volume > 1).astype(np.uint8), np.eye(4)).to_filename(archive / f"v{number}_seg.nii")
    lost = np.full((9, 8, 7), np.nan, np.float32)
    nib.Nifti1Image(lost, np.eye(4)).to_filename(archive / "lost.nii")
    return scan_archive([archive], folder / "catalog")


def assert_same(first: Store, second: Store) -> None:
    assert first.scans.equals(second.scans)
    for row in range(len(first)):
        np.testing.assert_array_equal(first.array(row), second.array(row))
        one, two = first.mask(row), second.mask(row)
        assert (one is None) == (two is None)
        assert one is None or np.array_equal(one, two)
    assert first.record["faults"] == second.record["faults"]


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medcl.store.shards.LEAST_SCANS", 2)


def test_a_worker_that_is_killed_changes_nothing(tmp_path: Path, cluster: Any, small_shards: None) -> None:
    catalog = mixed(tmp_path)
    alone = prepare(catalog, tmp_path / "alone")
    victim = min(worker.pid for worker in cluster.workers.values())

    def kill_one() -> None:
        while not list((tmp_path / "together" / "arrays").rglob("*.arrow")):
            time.sleep(0.005)
        os.kill(victim, signal.SIGKILL)

    with ThreadPoolExecutor(1) as other:
        killed = other.submit(kill_one)
        together = prepare(catalog, tmp_path / "together", scheduler=cluster.scheduler_address)
        killed.result()
    assert_same(alone, together)
    assert len(alone.record["faults"]) == 1


def test_workers_need_no_private_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_shards: None
) -> None:
    """What a task carries is enough to write its shard where the locator is not."""
    catalog, table = mixed(tmp_path), tmp_path / "table.csv"
    table.write_text("file,box\np0.png,1 1 9 9\np0.png,2 12 20 20\np3.png,2 2 20 8\n")
    alone = prepare(catalog, tmp_path / "alone", table)
    assert alone.record["masks"] == {"boxes": 2, "voxels": 4}

    def elsewhere(work: Any, tasks: Any, *_: object) -> Iterator[None]:
        packed = [pickle.dumps(task) for task in tasks]
        monkeypatch.setenv("MEDCL_HOME", str(tmp_path / "elsewhere"))
        for task in packed:
            yield work(pickle.loads(task))  # noqa: S301

    monkeypatch.setattr(parallel, "on_cluster", elsewhere)
    assert_same(alone, prepare(catalog, tmp_path / "together", table, scheduler="tcp://nowhere"))


def test_a_scan_that_kills_its_reader_is_left_out_and_named(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    catalog = mixed(tmp_path)
    scans = tuple(catalog.scans["scan"])
    labels = read_labels(catalog, None)
    killer = scans[3]

    def again(task: parallel.ShardTask) -> None:
        if killer in task.scans and killer not in task.crashed:
            raise distributed.KilledWorker("task", None, 3)
        parallel._write(task)

    path = tmp_path / "0000000"
    parallel._after_lost_worker(parallel.ShardTask(catalog, scans, labels, path, StoreForm()), again)
    rows = read_arrow(path.with_suffix(".arrow")).to_pandas().set_index("scan")
    assert rows["fault"][killer].endswith("(CRASHED)")
    assert (rows["fault"] == "").sum() == len(scans) - 2
    assert "CRASHED" in catalog.summary()["reasons"]


def test_no_scheduler_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr("medcl.cluster.CONNECT_S", 1)
    with pytest.raises(UsageError, match="no Dask scheduler answers"):
        prepare(mixed(tmp_path), tmp_path / "store", scheduler="tcp://127.0.0.1:9")


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("workers", [2, 3])
def test_any_number_of_workers_writes_the_same_bytes(
    tmp_path: Path, small_shards: None, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pools_of_the_server(monkeypatch)
    catalog = mixed(tmp_path)
    prepare(catalog, tmp_path / "one")
    (tmp_path / "several").mkdir()
    prepare(catalog, tmp_path / "several", workers=workers)
    one, several = files_of(tmp_path / "one"), files_of(tmp_path / "several")
    assert one == several


def test_workers_go_on_where_another_number_stopped(
    tmp_path: Path, small_shards: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    pools_of_the_server(monkeypatch)
    catalog = mixed(tmp_path)
    prepare(catalog, tmp_path / "store", workers=2)
    whole = files_of(tmp_path / "store")
    for name in ("store.json", "arrays/0000/0000001.arrow", "arrays/0000/0000003.arrow"):
        (tmp_path / "store" / name).unlink()
    prepare(catalog, tmp_path / "store")
    assert files_of(tmp_path / "store") == whole
