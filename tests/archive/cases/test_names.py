"""No name of a file ends a run; names are escaped where they are printed and exact in the private locator."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medcl.archive import Catalog, convert, read, scan_archive
from medcl.cli.app import main
from medcl.store import prepare, read_labels
from tests.archive.samples import nifti_bytes

CaseFolder = Callable[[str], Path]

NAMES = [
    *(b"Sch\xe4del.nii", b"\xff\xfe.nii", "頭部.nii".encode(), b"e\xcc\x81.nii", b"\xc3\xa9.nii"),
    *(b"a b.nii", b" leading.nii", b"trailing ", b"line\nbreak.nii", b"\x1b[31mred.nii", b"tab\t\r\x07.nii"),
    *(b"-rf.nii", b"--help", b"n" * 251 + b".nii", b"\xe4" * 255, b"Case.nii", b"case.nii", b"CASE.NII"),
    *(b"...", b"..nii", b"a..b.nii", b"%s%d.nii", b"a;b'\".nii", b"=cmd().nii", b"~", b"*?[.nii"),
    *(b"..\\x.nii", "\u202ecod.nii".encode(), b"C:x.nii", b"s3:x.nii", b"name.nii\n"),
]
"""Names that file systems allow: other encodings, control characters, options, patterns, 255 bytes."""


def write_names(folder: Path, names: list[bytes]) -> None:
    folder.mkdir(parents=True)
    for number, name in enumerate(names):
        Path(os.fsdecode(os.path.join(os.fsencode(folder), name))).write_bytes(nifti_bytes(number))


def names_of(catalog: Catalog) -> list[bytes]:
    return sorted(os.path.basename(os.fsencode(path)) for path in catalog.locations()["container"])


def test_a_latin_1_name_is_read_like_any_other(case_folder: CaseFolder, tmp_path: Path) -> None:
    catalog = scan_archive([case_folder("umlaut_name")], tmp_path / "catalog")
    assert catalog.summary()["used"] == 16
    assert list(catalog.scans["shape"]) == ["56x40x8"] * 2
    assert convert(catalog, tmp_path / "nifti")["written"] == 2
    assert prepare(catalog, tmp_path / "store").record["scans"] == 2
    assert prepare(catalog, tmp_path / "store2", workers=2).record["scans"] == 2


def test_files_of_any_name_are_scanned_converted_and_prepared(tmp_path: Path) -> None:
    write_names(tmp_path / "archive", NAMES)
    catalog = scan_archive([tmp_path / "archive"], tmp_path / "catalog")
    assert catalog.summary()["used"] == len(NAMES)
    assert names_of(catalog) == sorted(NAMES)
    assert convert(catalog, tmp_path / "nifti")["written"] == len(NAMES)
    assert prepare(catalog, tmp_path / "store").record["used"] == len(NAMES)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.lists(
        st.binary(min_size=1, max_size=255).filter(lambda n: not {0, 47} & {*n} and n not in (b".", b"..")),
        min_size=1,
        max_size=6,
        unique=True,
    )
)
def test_any_bytes_are_a_name(names: list[bytes], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("names")
    write_names(folder / "archive", names)
    catalog = scan_archive([folder / "archive"], folder / "catalog")
    assert names_of(catalog) == sorted(names)
    assert all(read(catalog, scan).is_volume for scan in catalog.scans["scan"])


@pytest.mark.parametrize("follow_links", [False, True])
def test_a_path_too_long_to_open_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, follow_links: bool
) -> None:
    write_names(tmp_path / "archive", [b"x.nii"])
    monkeypatch.chdir(tmp_path / "archive")
    for _ in range(25):
        os.mkdir("d" * 200)
        os.chdir("d" * 200)
    Path("deep.nii").write_bytes(nifti_bytes(1))
    os.chdir(tmp_path)
    catalog = scan_archive([tmp_path / "archive"], tmp_path / "catalog", follow_links=follow_links)
    assert catalog.summary()["reasons"] == {"UNREADABLE_FOLDER": 1}
    assert catalog.summary()["used"] == 1


def test_folders_of_any_name_are_classes(tmp_path: Path) -> None:
    for number, name in enumerate([b"gesund", b"gro\xdf\n"]):
        folder = Path(os.fsdecode(os.path.join(os.fsencode(tmp_path / "archive"), name)))
        write_names(folder, [b"%d%d.nii" % (number, scan) for scan in range(5)])
    catalog = scan_archive([tmp_path / "archive"], tmp_path / "catalog")
    record = prepare(catalog, tmp_path / "store", "folders").record
    assert set(record["classes"]) == {"gesund", "gro\\xdf\\n"}


def test_a_label_table_names_files_as_they_are_printed_or_typed(tmp_path: Path) -> None:
    write_names(tmp_path / "archive", [b"Sch\xe4del.nii", b"e\xcc\x81.nii", b" lead.nii", b"line\nbreak.nii"])
    catalog = scan_archive([tmp_path / "archive"], tmp_path / "catalog")
    rows = ["file,label", "Sch\\xe4del.nii,a", "\u00e9.nii,b", " lead.nii,a", "line\\nbreak.nii,b"]
    (tmp_path / "labels.csv").write_text("\n".join(rows), encoding="utf-8")
    assert sorted(read_labels(catalog, tmp_path / "labels.csv").label.values()) == ["a", "a", "b", "b"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_members_of_a_zip_keep_their_names_and_none_leaves_it(tmp_path: Path) -> None:
    good = [
        "a..b.nii",
        "..b/x.nii",
        ".../y.nii",
        "line\nbreak.nii",
        "-rf.nii",
        "頭.nii",
        "twice.nii",
        "twice.nii",
    ]
    unsafe = ["../out.nii", "a/../../out.nii", "/etc/out.nii", "..\\out.nii", "C:\\out.nii", ".."]
    (tmp_path / "archive").mkdir()
    with zipfile.ZipFile(tmp_path / "archive/x.zip", "w") as file:
        for number, name in enumerate(good + unsafe):
            file.writestr(zipfile.ZipInfo(name), nifti_bytes(number))
    catalog = scan_archive([tmp_path / "archive"], tmp_path / "catalog")
    assert catalog.summary()["reasons"] == {"PATH_UNSAFE": len(unsafe)}
    assert len(catalog.scans) == len(good)
    members = catalog.locations()["member"].str.partition(":")[2]
    assert sorted(members) == sorted(good)
    assert convert(catalog, tmp_path / "nifti")["written"] == len(good)


def test_archives_and_outputs_of_any_name_are_printed_on_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    write_names(tmp_path / "a", [b"x.nii"])
    archive = (tmp_path / "a").rename(tmp_path / os.fsdecode(b"\xe4\n\x1b[31m"))

    def scan(out: Path) -> object:
        monkeypatch.setattr("sys.argv", ["medcl", "scan", str(archive), "-o", str(out)])
        with pytest.raises(SystemExit) as end:
            main()
        return end.value.code

    for name in ("catalog ä\n", "c" * 255):
        assert scan(tmp_path / name) == 0
        printed = capfd.readouterr().out
        assert all(line.isprintable() for line in printed.splitlines())
        assert len(printed.splitlines()) == printed.count("\n")
    for out, fault in ((tmp_path / "c\udce4\n", "not UTF-8"), (tmp_path, "already exists")):
        assert scan(out) == 2
        error = capfd.readouterr().err
        assert len(error.splitlines()) == 1
        assert fault in error
