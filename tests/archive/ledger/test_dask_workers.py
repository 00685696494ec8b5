"""A Dask cluster gives byte for byte what this machine gives alone."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from medcl.archive import Catalog, scan_archive
from medcl.archive import scanning as scan
from medcl.archive.ledger.index import Index
from medcl.errors import UsageError
from tests.archive.label_samples import ct_series
from tests.archive.samples import image_bytes, mixed_archive


def outputs(catalog: Catalog) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(catalog.folder.iterdir())}


@pytest.fixture
def cluster() -> Iterator[object]:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=50
    ) as running:
        yield running


def test_a_cluster_that_loses_a_worker_changes_no_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cluster: object, private_home: Path
) -> None:
    archive = tmp_path / "archive"
    mixed_archive(archive)
    ct_series(archive / "ct")
    for number in range(120):
        (archive / f"p{number}.png").write_bytes(image_bytes(number))
    alone = scan_archive([archive], tmp_path / "alone")
    for chunk in private_home.rglob("chunk-*"):
        chunk.unlink()
    for result in private_home.rglob("result-*"):
        result.rename(tmp_path / "result")
    monkeypatch.setattr(scan, "BATCH", 4)
    monkeypatch.setattr(scan, "CHUNK", 12)
    killed: list[int] = []
    add = Index.add

    def add_and_kill(self: Index, outcomes_by_stamp: dict[bytes, list[scan.FileOutcome]]) -> None:
        if not killed:
            worker = next(iter(cluster.workers.values()))  # type: ignore[attr-defined]
            killed.append(worker.pid)
            os.kill(worker.pid, signal.SIGKILL)
        add(self, outcomes_by_stamp)

    monkeypatch.setattr(Index, "add", add_and_kill)
    address = cluster.scheduler_address  # type: ignore[attr-defined]
    together = scan_archive([archive], tmp_path / "together", scheduler=address)
    assert killed
    assert outputs(alone) == outputs(together)


def test_no_scheduler_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    from medcl import cluster

    monkeypatch.setattr(cluster, "CONNECT_S", 1)
    mixed_archive(tmp_path / "archive")
    with pytest.raises(UsageError, match="no Dask scheduler answers"):
        scan_archive([tmp_path / "archive"], tmp_path / "catalog", scheduler="tcp://127.0.0.1:9")


def test_what_is_no_address_is_refused_at_once(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    mixed_archive(tmp_path / "archive")
    with pytest.raises(UsageError, match="such as tcp://host:8786"):
        scan_archive([tmp_path / "archive"], tmp_path / "catalog", scheduler="nonsense")
