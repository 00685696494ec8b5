"""Object storage and a Dask cluster give byte for byte what this machine gives alone."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from medcl.archive import ArchiveError, Catalog, read, read_all, scan_archive
from medcl.archive.storage.remote import _system
from medcl.errors import UsageError
from tests.archive.label_samples import ct_series
from tests.archive.samples import image_bytes, mixed_archive


def outputs(catalog: Catalog) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(catalog.folder.iterdir())}


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Serve S3 from a local server whose bucket `scans` holds a copy of an archive; return the archive."""
    pytest.importorskip("s3fs")
    server_module = pytest.importorskip("moto.server")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    reset = urllib.request.Request(f"http://{host}:{port}/moto-api/reset", method="POST")
    urllib.request.urlopen(reset).close()
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    _system.cache_clear()
    archive = tmp_path / "archive"
    mixed_archive(archive)
    ct_series(archive / "ct")
    store = s3fs.S3FileSystem()
    store.mkdir("scans")
    store.put(str(archive), "scans/archive", recursive=True)
    yield archive
    _system.cache_clear()
    s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


def test_an_archive_in_object_storage_reads_as_its_folder(bucket: Path, tmp_path: Path) -> None:
    local = scan_archive([bucket], tmp_path / "local")
    remote = scan_archive(["s3://scans/archive"], tmp_path / "remote")
    for name in ("catalog.parquet", "ledger.parquet", "masks.parquet"):
        assert outputs(local)[name] == outputs(remote)[name], name
    for identity in local.scans["scan"]:
        here, there = (read(catalog, identity) for catalog in (local, remote))
        np.testing.assert_array_equal(here.array, there.array)
        assert here.flags == there.flags


def test_changed_and_missing_objects_are_named(bucket: Path, tmp_path: Path) -> None:
    catalog = scan_archive(["s3://scans/archive/images"], tmp_path / "catalog")
    where = catalog.locations().set_index("scan")["container"]
    store = _system("s3")
    store.rm(where.iloc[0])
    store.pipe_file(where.iloc[1], image_bytes(77, size=31))
    codes = [result.code for _, result in read_all(catalog) if isinstance(result, ArchiveError)]
    assert sorted(codes) == ["CHANGED", "MISSING"]


def test_wrong_addresses_are_one_line(bucket: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        scan_archive(["s3://scans/nowhere"], tmp_path / "catalog")
    with pytest.raises(UsageError, match="install its protocol"):
        scan_archive(["nowhere://scans"], tmp_path / "catalog")
