"""Voxels in every encoding, in the header's file or in one beside it, and never outside."""

from __future__ import annotations

import bz2
import gzip
import io
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medcl.archive import read, scan_archive
from medcl.archive.flags import Rejected
from medcl.archive.formats import voxel_data
from medcl.archive.formats.voxel_data import VoxelData, check, load, open_beside
from medcl.archive.storage.open_file import SourceFile
from tests.archive.formats import volumes
from tests.archive.formats.in_memory import in_memory
from tests.archive.formats.volumes import put, reasons, scanned

VOXELS = np.arange(600, dtype="<i2")
RAW = VOXELS.tobytes()
PACKERS: dict[Any, Callable[[bytes], bytes]] = {
    "raw": bytes,
    "zlib": zlib.compress,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "text": lambda raw: " ".join(map(str, np.frombuffer(raw, "<i2"))).encode(),
}


def data(encoding: Any, **changes: Any) -> VoxelData:
    return VoxelData(encoding, len(RAW), VOXELS.dtype, **changes)


def refused(work: Callable[[], object]) -> str:
    with pytest.raises(Rejected) as caught:
        work()
    return caught.value.code


@pytest.mark.parametrize("encoding", PACKERS)
def test_voxels_behind_a_header_come_back(encoding: str) -> None:
    file = in_memory(b"header" + PACKERS[encoding](RAW))
    assert check(file, data(encoding, offset=6)) is None
    assert load(file, data(encoding, offset=6)) == RAW


def test_voxels_may_be_the_last_bytes_or_follow_others_after_unpacking() -> None:
    assert load(in_memory(b"anything" + RAW), data("raw", offset=-1)) == RAW
    assert load(in_memory(gzip.compress(b"head" + RAW)), data("gzip", skip=4)) == RAW


@pytest.mark.parametrize("encoding", PACKERS)
def test_voxels_that_are_cut_off_are_refused_before_they_are_read(encoding: str) -> None:
    packed = PACKERS[encoding](RAW)
    file = in_memory(packed[: len(packed) - 40])
    assert refused(lambda: check(file, data(encoding))) in ("TRUNCATED", "DAMAGED")
    assert refused(lambda: load(file, data(encoding))) in ("TRUNCATED", "DAMAGED")


@pytest.mark.parametrize("encoding", ["zlib", "bzip2"])
def test_more_than_is_needed_is_a_bomb(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voxel_data, "MAX_AFTER", 10)
    file = in_memory(PACKERS[encoding](RAW + bytes(5000)))
    assert refused(lambda: load(file, data(encoding))) == "BOMB"


def test_claims_beyond_reason_are_bombs_unpacked() -> None:
    for encoding in ("zlib", "gzip", "bzip2", "text"):
        huge = VoxelData(encoding, 1 << 31, VOXELS.dtype)  # type: ignore[arg-type]
        assert refused(lambda huge=huge: load(in_memory(b"\x1f\x8b" + bytes(100)), huge)) == "BOMB"  # type: ignore[misc]


def test_text_that_is_no_number_is_damaged() -> None:
    words = b" ".join([b"1"] * 599 + [b"one"])
    assert refused(lambda: load(in_memory(words), data("text"))) == "DAMAGED"


@pytest.fixture
def header(tmp_path: Path) -> SourceFile:
    (tmp_path / "case").mkdir()
    (tmp_path / "case" / "a.mhd").write_text("header")
    (tmp_path / "secret.raw").write_bytes(RAW)
    return SourceFile(str(tmp_path / "case" / "a.mhd"), "", 6, 0)


def test_a_data_file_is_found_beside_its_header(header: SourceFile, tmp_path: Path) -> None:
    (tmp_path / "case" / "deep").mkdir()
    (tmp_path / "case" / "deep" / "b.raw").write_bytes(RAW)
    found = check(header, data("raw", file="./deep\\b.raw"))
    assert found is not None
    assert (found.path, found.size, found.member) == (str(tmp_path / "case" / "deep" / "b.raw"), len(RAW), "")
    assert load(header, data("raw", file="deep/b.raw")) == RAW
    with open_beside(header, ["missing", "deep/b.raw"]) as (stream, first):
        assert first == found
        assert stream.read() == RAW


def test_faults_of_a_data_file_say_that_it_is_one(header: SourceFile, tmp_path: Path) -> None:
    assert refused(lambda: check(header, data("raw", file="b.raw"))) == "DATA_MISSING"
    (tmp_path / "case" / "b.raw").write_bytes(RAW[:-1])
    assert refused(lambda: check(header, data("raw", file="b.raw"))) == "DATA_TRUNCATED"
    (tmp_path / "case" / "b.raw").write_bytes(b"no zlib" * 99)
    assert refused(lambda: check(header, data("zlib", file="b.raw"))) == "DATA_DAMAGED"


@pytest.mark.parametrize(
    "name", ["../secret.raw", "/etc/passwd", "a//b", "C:\\secret.raw", "a\0b", "link.raw"]
)
def test_nothing_outside_of_the_folder_is_opened(header: SourceFile, tmp_path: Path, name: str) -> None:
    (tmp_path / "case" / "link.raw").symlink_to(tmp_path / "secret.raw")
    unfollowed = replace(header, follow_links=False)
    assert refused(lambda: load(unfollowed, data("raw", file=name))) == "DATA_OUTSIDE"


def test_a_link_out_of_the_folder_is_opened_where_links_are_followed(
    header: SourceFile, tmp_path: Path
) -> None:
    (tmp_path / "case" / "link.raw").symlink_to(tmp_path / "secret.raw")
    assert load(replace(header, follow_links=True), data("raw", file="link.raw")) == RAW


WRITTEN = volumes.written()


DETACHED = [name for name, (_, files) in WRITTEN.items() if len(files) == 2]


@pytest.mark.parametrize("name", WRITTEN)
def test_cut_voxels_are_refused(name: str, tmp_path: Path) -> None:
    _, files = WRITTEN[name]
    last = list(files)[-1]
    cut = {**files, last: files[last][:-60]}  # MGH ends with numbers of the scanner, which may lack
    catalog = scanned(put(tmp_path / "archive", cut), tmp_path / "catalog")
    assert len(catalog.scans) == 1
    assert {"TRUNCATED", "DATA_TRUNCATED", "DAMAGED", "DATA_DAMAGED"} & set(reasons(catalog))


@pytest.mark.parametrize("name", DETACHED)
def test_a_missing_data_file_is_named_and_found_by_the_next_scan(name: str, tmp_path: Path) -> None:
    main, files = WRITTEN[name]
    catalog = scanned(put(tmp_path / "archive", {main: files[main]}), tmp_path / "catalog")
    assert reasons(catalog) == ["DATA_MISSING"]
    put(tmp_path / "archive", files)
    again = scan_archive([tmp_path / "archive"], tmp_path / "again")
    assert reasons(again) == ["DATA_FILE"]
    assert len(again.scans) == 2


@pytest.mark.parametrize("name", DETACHED)
def test_headers_in_a_zip_find_their_data_there(name: str, tmp_path: Path) -> None:
    _, files = WRITTEN[name]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, content in files.items():
            archive.writestr(f"case/{path}", content)
    catalog = scan_archive([put(tmp_path / "a", {"case.zip": buffer.getvalue()})], tmp_path / "catalog")
    assert read(catalog, catalog.scans["scan"][0]).array.shape == (7, 6, 5)
    assert reasons(catalog) == ["DATA_FILE"]


@pytest.mark.parametrize(
    "place", ["../secret.raw", "/etc/passwd", "a/../../secret.raw", "C:\\secret.raw", "link.raw"]
)
def test_data_outside_of_the_folder_is_never_opened(place: str, tmp_path: Path) -> None:
    array, affine = volumes.voxels(), volumes.oblique()
    (tmp_path / "secret.raw").write_bytes(volumes.stored(array, "<"))
    folder = put(tmp_path / "archive", {"a.mhd": volumes.metaimage(array, affine, data=place),
                                        "b.nhdr": volumes.nrrd(array, affine, data=place)})  # fmt: skip
    (folder / "link.raw").symlink_to(tmp_path / "secret.raw")
    catalog = scanned(folder, tmp_path / "catalog")
    assert reasons(catalog) == ["DATA_OUTSIDE", "DATA_OUTSIDE", "SYMLINK"]
