"""Zip and tar: read as folders are, without unpacking, and refused when they attack."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from medcl.archive import ArchiveError, Catalog, read_all, scan_archive
from medcl.errors import UsageError
from tests.archive.label_samples import ct_series
from tests.archive.samples import image_bytes, mixed_archive, nifti_bytes, npz_bytes


def packed(folder: Path, target: Path) -> Path:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if target.suffix == ".zip":
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in files:
                archive.write(path, str(path.relative_to(folder)))
    else:
        with tarfile.open(target, "w:gz" if target.suffix == ".tgz" else "w") as archive:
            for path in files:
                archive.add(path, str(path.relative_to(folder)))
    return target


def reasons(catalog: Catalog) -> dict[str, int]:
    return dict(catalog.summary()["reasons"])


def scan_bytes(folder: Path, **files: bytes) -> Catalog:
    archive = folder / "archive"
    archive.mkdir()
    (archive / "good.png").write_bytes(image_bytes())
    for name, content in files.items():
        (archive / name).write_bytes(content)
    return scan_archive([archive], folder / "catalog")


def zipped(**files: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tgz"])
def test_a_container_reads_as_its_folder(tmp_path: Path, suffix: str) -> None:
    expected = mixed_archive(tmp_path / "folder")
    container = packed(tmp_path / "folder", tmp_path / f"archive{suffix}")
    plain = scan_archive([tmp_path / "folder"], tmp_path / "plain")
    inside = scan_archive([container], tmp_path / "inside")
    summary = inside.summary()
    assert summary["files"] == sum(expected.values()) + 1
    assert summary["used"] == expected["used"] + 1
    assert summary["quarantined"] == expected["quarantined"]
    assert sorted(inside.scans["patient_evidence"]) == sorted(plain.scans["patient_evidence"])
    arrays = [
        sorted(
            result.array.tobytes() for _, result in read_all(catalog) if not isinstance(result, ArchiveError)
        )
        for catalog in (plain, inside)
    ]
    assert arrays[0] == arrays[1]
    assert not list(tmp_path.rglob("*.tmp"))


def test_places_inside_a_container_read_as_paths(tmp_path: Path) -> None:
    mixed_archive(tmp_path / "folder")
    container = packed(tmp_path / "folder", tmp_path / "archive.zip")
    where = scan_archive([container], tmp_path / "catalog").locations()
    assert str(container) + "/images/x.png" in set(where["path"])
    assert set(where.loc[where["path"].str.contains("images"), "parent"]) == {"images"}


def test_names_that_lead_out_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    names = ["../out.png", "/etc/out.png", "a/../../out.png", "C:\\out.png", "..\\out.png"]
    catalog = scan_bytes(tmp_path, **{"bad.zip": zipped(**{name: image_bytes() for name in names})})
    assert reasons(catalog) == {"CONTAINER_EMPTY": 1, "PATH_UNSAFE": 5}
    assert not (tmp_path / "out.png").exists()


def test_two_members_of_one_name_are_two_files(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.png", image_bytes(1))
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.png", image_bytes(2))
    catalog = scan_bytes(tmp_path, **{"twice.zip": stream.getvalue()})
    values = {
        result.array.tobytes() for _, result in read_all(catalog) if not isinstance(result, ArchiveError)
    }
    assert len(catalog.scans) == len(values) == 3 - 0


def test_zip_bombs_are_refused_unopened(tmp_path: Path) -> None:
    bomb = io.BytesIO()
    with (
        zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("b.nii", "w") as member,
    ):
        for _ in range(300):
            member.write(bytes(1 << 20))
    catalog = scan_bytes(tmp_path, **{"bomb.zip": bomb.getvalue()})
    assert reasons(catalog) == {"BOMB": 1, "CONTAINER_EMPTY": 1}


def test_a_tar_bomb_stops_at_its_directory(tmp_path: Path) -> None:
    info = tarfile.TarInfo("huge.nii")
    info.size = 50 << 30
    content = gzip.compress(info.tobuf() + bytes(1 << 20))
    catalog = scan_bytes(tmp_path, **{"bomb.tgz": content})
    assert reasons(catalog) == {"BOMB": 2}


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_tar_header_of_absurd_size_is_not_read(tmp_path: Path, kind: bytes) -> None:
    header = tarfile.TarInfo("x")
    header.type, header.size = kind, 2 << 20
    bomb = gzip.compress(header.tobuf(tarfile.USTAR_FORMAT) + bytes(header.size), compresslevel=1)
    assert reasons(scan_bytes(tmp_path, bomb=bomb, good=image_bytes())) == {"BOMB": 1}


def test_links_and_devices_in_a_tar_are_never_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.nii"
    secret.write_bytes(nifti_bytes())
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, kind in (("a", tarfile.SYMTYPE), ("b", tarfile.LNKTYPE), ("c", tarfile.CHRTYPE)):
            info = tarfile.TarInfo(name)
            info.type = kind
            info.linkname = str(secret)
            archive.addfile(info)
    catalog = scan_bytes(tmp_path, **{"links.tar": stream.getvalue()})
    assert reasons(catalog) == {"CONTAINER_EMPTY": 1, "SPECIAL_FILE": 1, "LINK_IN_CONTAINER": 2}


def test_damaged_encrypted_nested_and_foreign_containers_are_named(tmp_path: Path) -> None:
    good = zipped(**{"a.png": image_bytes(), "b.npz": npz_bytes()})
    broken = bytearray(zipped(**{"a.nii": bytes(1000) + np.random.default_rng(0).bytes(1000)}))
    broken[200] ^= 0xFF
    locked = bytearray(zipped(**{"a.png": image_bytes()}))
    locked[6] |= 1
    locked[locked.rindex(b"PK\x01\x02") + 8] |= 1
    catalog = scan_bytes(
        tmp_path,
        **{
            "good.zip": good,
            "cut.zip": good[:-40],
            "broken.zip": bytes(broken),
            "locked.zip": bytes(locked),
            "nested.zip": zipped(**{"inner.zip": good}),
            "foreign.7z": b"7z\xbc\xaf\x27\x1c" + bytes(100),
            "cut.tgz": gzip.compress(packed_tar())[:-30],
        },
    )
    counts = reasons(catalog)
    assert counts["ENCRYPTED"] == 1
    assert counts["CONTAINER_NESTED"] == 1
    assert counts["UNSUPPORTED_ARCHIVE"] == 1
    assert counts["DAMAGED"] >= 2
    assert len(catalog.scans) == 1 + 1 + 15 + 1


def packed_tar() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for number in range(2):
            content = image_bytes(number, size=90)
            info = tarfile.TarInfo(f"{number}.png")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def test_a_changed_container_is_not_read(tmp_path: Path) -> None:
    container = tmp_path / "a.zip"
    container.write_bytes(zipped(**{"a.png": image_bytes(1)}))
    catalog = scan_archive([container], tmp_path / "catalog")
    container.write_bytes(zipped(**{"b.png": image_bytes(2)}))
    with pytest.raises(ArchiveError, match="CHANGED"):
        next(result for _, result in read_all(catalog) if raised(result))


def raised(result: object) -> bool:
    if isinstance(result, ArchiveError):
        raise result
    return True


def test_a_container_without_an_image_is_wrong_use(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zipped(**{"smith.txt": b"nothing"}))
    with pytest.raises(UsageError, match="no readable image") as error:
        scan_archive([tmp_path / "a.zip"], tmp_path / "catalog")
    assert "smith" not in str(error.value)


def test_a_member_without_a_name_is_no_crash(tmp_path: Path) -> None:
    nameless = zipped(**{"x": image_bytes()})
    central = nameless.rindex(b"PK\x01\x02")
    broken = bytearray(nameless)
    broken[central + 28 : central + 30] = b"\0\0"
    catalog = scan_bytes(tmp_path, **{"nameless.zip": bytes(broken)})
    assert reasons(catalog) == {"DAMAGED": 1}


@pytest.mark.parametrize("suffix", [".zip", ".tgz"])
def test_an_archive_beside_what_was_unpacked_from_it_gives_each_file_once(
    tmp_path: Path, suffix: str
) -> None:
    ct_series(tmp_path / "archive" / "ct")
    alone = scan_archive([tmp_path / "archive"], tmp_path / "alone")
    packed(tmp_path / "archive" / "ct", tmp_path / "archive" / f"ct{suffix}")
    both = scan_archive([tmp_path / "archive"], tmp_path / "both")
    assert reasons(both) == {"DUPLICATE_FILE": 6}
    assert both.scans.drop(columns="flags").equals(alone.scans.drop(columns="flags"))
