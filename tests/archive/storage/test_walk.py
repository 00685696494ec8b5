"""The walk survives links, loops, pipes and locked folders, and gives each file once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from medcl.archive import scan_archive
from tests.archive.samples import image_bytes, mixed_archive, nifti_bytes


def test_the_same_or_overlapping_archives_give_each_file_once(tmp_path: Path) -> None:
    expected = mixed_archive(tmp_path / "archive")
    (tmp_path / "link").symlink_to(tmp_path / "archive")
    archives = [tmp_path / name for name in ("archive", "archive/sub-01", "link", "archive/../archive")]
    assert scan_archive(archives, tmp_path / "catalog").summary()["files"] == sum(expected.values())


def test_two_archives_of_one_name_stay_apart(tmp_path: Path) -> None:
    for parent in ("a", "b"):
        (tmp_path / parent / "data" / "sub-01").mkdir(parents=True)
        (tmp_path / parent / "data" / "sub-01" / "x.nii").write_bytes(nifti_bytes(1))
    catalog = scan_archive([tmp_path / "a/data", tmp_path / "b/data"], tmp_path / "catalog")
    assert catalog.scans["scan"].nunique() == 2
    assert catalog.scans["patient"].nunique() == 2


def test_links_loops_locked_folders_and_pipes_are_survived(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    expected = mixed_archive(archive)
    secret = tmp_path / "outside.nii"
    secret.write_bytes(nifti_bytes(11))
    (archive / "loop").symlink_to(archive)
    (archive / "leak.nii").symlink_to(secret)
    os.mkfifo(archive / "pipe")
    (archive / "locked").mkdir()
    (archive / "locked" / "x.png").write_bytes(image_bytes())
    (archive / "locked").chmod(0)
    try:
        summary = scan_archive([archive], tmp_path / "catalog").summary()
    finally:
        (archive / "locked").chmod(0o700)
    assert summary["reasons"]["SYMLINK"] == 2
    assert summary["reasons"]["SPECIAL_FILE"] == 1
    if os.geteuid():
        assert summary["reasons"]["UNREADABLE_FOLDER"] == 1
        assert summary["used"] == expected["used"]


def test_a_folder_that_may_not_be_read_is_accounted_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = mixed_archive(tmp_path / "archive")
    plain = os.scandir

    def guarded(path: str) -> object:
        if Path(path).name == "images":
            raise PermissionError(13, "Permission denied", path)
        return plain(path)

    monkeypatch.setattr(os, "scandir", guarded)
    summary = scan_archive([tmp_path / "archive"], tmp_path / "catalog").summary()
    assert summary["reasons"]["UNREADABLE_FOLDER"] == 1
    assert summary["used"] == expected["used"] - 2
    assert summary["files"] == sum(expected.values()) - 4 + 1
