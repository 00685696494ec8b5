"""What one file is: an outcome, whatever is in it."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path

import pytest

from medcl.archive.ledger import examine as module
from medcl.archive.ledger.examine import FileOutcome, crashed, examine, examine_all, pseudonymized
from medcl.archive.storage.walk import Entry, Root, check_roots, walk
from medcl.testing import phantom
from tests.archive.samples import image_bytes, nifti_bytes

ROOT = Root("/data", "data")
SLICE = phantom.encoded(phantom.series()[0])


def outcomes(folder: Path, name: str, content: bytes) -> list[FileOutcome]:
    path = folder / name
    path.write_bytes(content)
    (entry,) = [entry for entry in walk(check_roots([folder])) if entry.path == str(path)]
    return examine(entry)


@pytest.mark.parametrize(
    ("name", "content", "state", "code"),
    [
        ("a.dcm", SLICE, "used", ""),
        ("a", gzip.compress(SLICE), "used", ""),
        ("a.nii", nifti_bytes(), "used", ""),
        ("a.nii.gz", gzip.compress(nifti_bytes()), "used", ""),
        ("a.dcm", image_bytes(), "used", ""),
        ("a.txt", b"notes", "dropped", "NOT_AN_IMAGE"),
        ("a.json", b'{"Modality": "MR"}', "dropped", "SIDECAR"),
        ("a", b"", "dropped", "EMPTY_FILE"),
        ("a.7z", b"7z\xbc\xaf\x27\x1c" + bytes(9), "dropped", "UNSUPPORTED_ARCHIVE"),
        ("a.pdf", b"%PDF-1.4", "dropped", "PDF"),
        ("a.raw", b"\xff\x01" * 400, "dropped", "DATA_WITHOUT_HEADER"),
        ("a", b"\xff\x01" * 400, "dropped", "UNKNOWN_FORMAT"),
        ("a", b"\x08\0\x01\0" + b"\1" * 60, "dropped", "UNKNOWN_FORMAT"),
        ("a.nii", nifti_bytes()[:380], "quarantined", "TRUNCATED"),
        ("a.dcm", SLICE[:900], "quarantined", "TRUNCATED"),
    ],
)
def test_content_decides_the_outcome(
    tmp_path: Path, name: str, content: bytes, state: str, code: str
) -> None:
    (outcome,) = outcomes(tmp_path, name, content)
    assert (outcome.state, outcome.code, outcome.size) == (state, code, len(content))


def test_a_container_is_followed_by_its_members(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("deep/a.nii", nifti_bytes())
        archive.writestr("b.txt", "notes")
        archive.writestr("c.zip", b"PK\x05\x06" + bytes(18))
    container, *members = outcomes(tmp_path, "a.zip", stream.getvalue())
    assert (container.state, container.code) == ("used", "")
    assert [(one.state, one.code) for one in members] == [
        ("used", ""), ("dropped", "NOT_AN_IMAGE"), ("dropped", "CONTAINER_NESTED"),
    ]  # fmt: skip
    assert members[0].place == f"{tmp_path.name}/a.zip/deep/a.nii"
    assert members[0].key != members[1].key != container.key


def test_a_container_without_an_image_is_dropped(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("b.txt", "notes")
    container, _ = outcomes(tmp_path, "a.zip", stream.getvalue())
    assert (container.state, container.code) == ("dropped", "CONTAINER_EMPTY")


@pytest.mark.parametrize(
    ("fault", "state"), [("SYMLINK", "dropped"), ("SPECIAL_FILE", "dropped"), ("UNREADABLE", "quarantined")]
)
def test_faults_of_the_listing_are_outcomes(fault: str, state: str) -> None:
    (outcome,) = examine(Entry(ROOT, "/data/nowhere", 5, 0, fault=fault))
    assert (outcome.state, outcome.code) == (state, fault)


def test_a_file_that_is_gone_or_whose_reader_fails_ends_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (outcome,) = examine(Entry(ROOT, str(tmp_path / "gone"), 5, 0))
    assert (outcome.state, outcome.code) == ("quarantined", "UNREADABLE")

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(module, "find_format", fail)
    (outcome,) = outcomes(tmp_path, "a.nii", nifti_bytes())
    assert (outcome.state, outcome.code) == ("quarantined", "BAD_HEADER")


def test_a_file_that_ends_processes_is_quarantined() -> None:
    entry = Entry(ROOT, "/data/a", 5, 0)
    assert crashed(entry) == FileOutcome(entry, "", 5, "quarantined", "CRASHED")


def test_identifiers_become_pseudonyms_and_private_places_do_not_show(tmp_path: Path) -> None:
    named = phantom.encoded(phantom.series(PatientID="JANE", InstitutionName="JANE CLINIC")[0])
    path = tmp_path / "JANE.dcm"
    path.write_bytes(named)
    ((outcome,),) = examine_all(list(walk(check_roots([tmp_path]))))
    private = pseudonymized(outcome)
    assert private.header is not None
    shared = private.header.shared
    assert "JANE" not in repr(private)
    assert not any("JANE" in str(getattr(shared, name)) for name in type(shared).__dataclass_fields__)
    assert pseudonymized(outcome) == private
