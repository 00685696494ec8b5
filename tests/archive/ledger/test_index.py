"""A rescan opens only what changed, an interrupted scan goes on, and neither shows in the result."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pandas as pd
import pytest

from medcl.archive import Catalog, scan_archive
from medcl.archive import scanning as scan
from medcl.archive.ledger.index import Index
from medcl.archive.storage.walk import check_roots, walk
from medcl.testing.traps import dicom_traps
from tests.archive.samples import mixed_archive, nifti_bytes


def outputs(catalog: Catalog) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(catalog.folder.iterdir())}


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record the name of every file that is examined."""
    from medcl.archive.ledger import examine

    names: list[str] = []
    plain = examine.examine

    def recorded(entry: examine.Entry) -> list[examine.FileOutcome]:
        names.append(Path(entry.path).name)
        return plain(entry)

    monkeypatch.setattr(examine, "examine", recorded)
    return names


def test_nothing_is_opened_when_nothing_changed(tmp_path: Path, opened: list[str]) -> None:
    mixed_archive(tmp_path / "archive")
    first = scan_archive([tmp_path / "archive"], tmp_path / "first")
    assert len(opened) == first.summary()["files"]
    opened.clear()
    second = scan_archive([tmp_path / "archive"], tmp_path / "second")
    assert opened == []
    assert outputs(first) == outputs(second)
    assert second.scans["scan"].map(second.files_by_scan.get).notna().all()


def test_only_new_and_changed_files_are_opened(tmp_path: Path, opened: list[str], private_home: Path) -> None:
    archive = tmp_path / "archive"
    mixed_archive(archive)
    scan_archive([archive], tmp_path / "first")
    opened.clear()
    (archive / "new.nii").write_bytes(nifti_bytes(40))
    (archive / "notes.txt").write_bytes(nifti_bytes(41))
    (archive / "empty").unlink()
    changed = scan_archive([archive], tmp_path / "second")
    assert sorted(opened) == ["new.nii", "notes.txt"]
    shutil.rmtree(private_home / "index")
    assert outputs(changed) == outputs(scan_archive([archive], tmp_path / "fresh"))


def test_another_policy_reuses_the_outcomes(tmp_path: Path, opened: list[str]) -> None:
    mixed_archive(tmp_path / "archive")
    scan_archive([tmp_path / "archive"], tmp_path / "first")
    opened.clear()
    assert scan_archive([tmp_path / "archive"], tmp_path / "second", accept="strict").accept == "strict"
    assert opened == []


def test_an_interrupted_scan_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: list[str]
) -> None:
    mixed_archive(tmp_path / "archive")
    monkeypatch.setattr(scan, "CHUNK", 4)
    monkeypatch.setattr(scan, "BATCH", 1)
    whole = scan.examine_all

    def interrupted(entries: list[scan.Entry]) -> list[list[scan.FileOutcome]]:
        if len(opened) == 9:
            raise KeyboardInterrupt
        return whole(entries)

    monkeypatch.setattr(scan, "examine_all", interrupted)
    with pytest.raises(KeyboardInterrupt):
        scan_archive([tmp_path / "archive"], tmp_path / "catalog")
    assert not (tmp_path / "catalog").exists()
    before = set(opened[:8])
    monkeypatch.setattr(scan, "examine_all", whole)
    opened.clear()
    resumed = scan_archive([tmp_path / "archive"], tmp_path / "catalog")
    assert len(opened) == resumed.summary()["files"] - 8
    assert not before & set(opened)


def test_what_is_kept_is_for_the_owner_only(tmp_path: Path, private_home: Path) -> None:
    mixed_archive(tmp_path / "archive")
    scan_archive([tmp_path / "archive"], tmp_path / "catalog")
    assert stat.S_IMODE(private_home.stat().st_mode) == 0o700
    assert stat.S_IMODE((private_home / "pseudonym.key").stat().st_mode) == 0o600
    tables = [path for path in private_home.rglob("*.parquet") if not path.parent.name.startswith("result-")]
    assert len(tables) >= 2
    assert {stat.S_IMODE(path.stat().st_mode) for path in tables} == {0o600}


def test_outcomes_of_deleted_files_are_deleted(tmp_path: Path, private_home: Path) -> None:
    archive = tmp_path / "archive"
    mixed_archive(archive)
    scan_archive([archive], tmp_path / "first")
    shutil.rmtree(archive / "images")
    scan_archive([archive], tmp_path / "second")
    index = Index(check_roots([archive]))
    assert len(index.known_stamps()) == len(list(walk(check_roots([archive]))))


def test_a_file_edited_within_its_old_size_is_seen(tmp_path: Path, opened: list[str]) -> None:
    path = tmp_path / "archive" / "a.nii"
    path.parent.mkdir()
    path.write_bytes(nifti_bytes(1))
    scan_archive([path], tmp_path / "first")
    opened.clear()
    path.write_bytes(nifti_bytes(2))
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 1000))
    scan_archive([path], tmp_path / "second")
    assert opened == ["a.nii"]


def test_an_index_of_another_version_is_built_anew(
    tmp_path: Path, opened: list[str], private_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from medcl.archive.ledger import index

    mixed_archive(tmp_path / "archive")
    first = scan_archive([tmp_path / "archive"], tmp_path / "first")
    opened.clear()
    monkeypatch.setattr(index, "FIELDS", [*index.FIELDS, "a field that came later"])
    second = scan_archive([tmp_path / "archive"], tmp_path / "second")
    assert len(opened) == second.summary()["files"]
    assert outputs(first) == outputs(second)


@pytest.mark.parametrize("damage", ["cut", "columns"])
def test_a_damaged_index_is_built_anew(
    tmp_path: Path, opened: list[str], private_home: Path, damage: str
) -> None:
    mixed_archive(tmp_path / "archive")
    first = scan_archive([tmp_path / "archive"], tmp_path / "first")
    (chunk,) = private_home.glob("index/*/chunk-*.parquet")
    if damage == "cut":
        chunk.write_bytes(chunk.read_bytes()[:-40])
    else:
        pd.DataFrame({"stamp": [b"0" * 16]}).to_parquet(chunk)
    for result in private_home.glob("index/*/result-*"):
        shutil.rmtree(result)
    opened.clear()
    second = scan_archive([tmp_path / "archive"], tmp_path / "second")
    assert len(opened) == second.summary()["files"]
    assert outputs(first) == outputs(second)


def test_a_decoder_installed_later_is_no_longer_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: list[str]
) -> None:
    (tmp_path / "archive").mkdir()
    (trap,) = [trap for trap in dicom_traps() if trap.name == "jpeg-2000"]
    for name, content in trap.build().items():
        (tmp_path / "archive" / name).write_bytes(content)
    with monkeypatch.context() as without:
        without.setattr("medcl.archive.dicom.pixels.codecs.decoders", lambda syntax, bits: ())
        first = scan_archive([tmp_path / "archive"], tmp_path / "first").summary()
    assert first["missing_decoders"]["1.2.840.10008.1.2.4.90"]["files"] == 24
    opened.clear()
    assert not scan_archive([tmp_path / "archive"], tmp_path / "second").summary()["missing_decoders"]
    assert opened == []


def test_a_change_that_leaves_size_and_time_alone_is_seen(tmp_path: Path, opened: list[str]) -> None:
    archive = tmp_path / "archive"
    mixed_archive(archive)
    scan_archive([archive], tmp_path / "first")
    before = (archive / "cut.nii").stat()
    (archive / "cut.nii").write_bytes(b"\0" * before.st_size)
    os.utime(archive / "cut.nii", ns=(before.st_atime_ns, before.st_mtime_ns))
    (archive / "empty").chmod(0o600)
    opened.clear()
    scan_archive([archive], tmp_path / "second")
    assert sorted(opened) == ["cut.nii", "empty"]
