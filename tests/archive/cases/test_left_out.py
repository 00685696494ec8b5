"""What is used and what is left out by reason are together what was found; DERIVED alone is no reason."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from medcl.archive import scan_archive
from medcl.archive.flags import FLAGS, REASONS
from medcl.cli import app
from medcl.errors import UsageError
from medcl.store import prepare
from tests.archive.samples import image_bytes, mixed_archive, nifti_bytes, npz_bytes

CaseFolder = Callable[[str], Path]


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("lossy_chest", {"DX images": 12}),
        ("mammogram_raw_and_shown", {"MG images": 2}),
        ("tomosynthesis", {"MG volumes": 1}),
    ],
)
def test_derived_alone_is_no_reason(
    name: str, kinds: dict[str, int], case_folder: CaseFolder, tmp_path: Path
) -> None:
    store = prepare(scan_archive([case_folder(name)], tmp_path / "c"), tmp_path / "s")
    assert store.record["kinds"] == kinds
    assert store.record["left_out"] == {}


def test_photographs_of_eyes_and_skin_are_no_secondary_captures(
    case_folder: CaseFolder, tmp_path: Path
) -> None:
    catalog = scan_archive([case_folder("ophthalmology")], tmp_path / "c")
    assert not any("DERIVED" in flags for flags in catalog.scans["flags"])
    store = prepare(catalog, tmp_path / "s")
    assert store.record["used"] + store.record["left_out"].get("EXACT_COPY", 0) == 20
    assert set(store.record["left_out"]) <= {"EXACT_COPY"}


@pytest.mark.slow
def test_thirty_thousand_slices_of_one_folder_are_volumes(case_folder: CaseFolder, tmp_path: Path) -> None:
    catalog = scan_archive([case_folder("many_small")], tmp_path / "c")
    assert len(catalog.scans) == 300
    assert set(catalog.scans["shape"]) == {"16x16x100"}
    assert catalog.scans["patient"].nunique() == 100


def test_one_identifier_for_twelve_patients(case_folder: CaseFolder, tmp_path: Path) -> None:
    store = prepare(scan_archive([case_folder("patient_constant")], tmp_path / "c"), tmp_path / "s")
    (warning,) = store.record["warnings"]
    assert warning.startswith("all 12 scans have one patient identifier")


def printed_counts(text: str) -> dict[str, int]:
    """Return the number of each reason that a command printed with its explanation."""
    return {code: int(count) for count, code in re.findall(r"^ +(\d+) ([A-Z0-9_]+): \w", text, re.MULTILINE)}


def test_scan_and_convert_print_what_is_left_out_by_reason(tmp_path: Path) -> None:
    expected = mixed_archive(tmp_path / "archive")
    (tmp_path / "archive/link.nii").symlink_to("sub-01/anat/a.nii")
    result = CliRunner().invoke(app, ["scan", str(tmp_path / "archive"), "-o", str(tmp_path / "catalog")])
    counts = printed_counts(result.stdout)
    assert sum(counts.values()) == expected["dropped"] + expected["quarantined"] + 1
    assert counts["SYMLINK"] == 1
    assert "--follow-links" in result.stdout
    assert f"{sum(expected.values()) + 1} files: {expected['used']} used" in result.stdout
    (tmp_path / "archive/sub-01/anat/a.nii").unlink()
    out = str(tmp_path / "nifti")
    result = CliRunner().invoke(app, ["convert", str(tmp_path / "catalog"), "-o", out, "--workers", "2"])
    assert printed_counts(result.stdout) == {"MISSING": 1}


CONTENTS = {
    "a.nii": nifti_bytes(1),
    "b/copy.nii": nifti_bytes(1),
    "b/four.nii": nifti_bytes(3, (4, 4, 3, 5)),
    "b/cut.nii": nifti_bytes(6)[:400],
    "x.png": image_bytes(4),
    "masks/x.png": image_bytes(5),
    "cut.jpg": image_bytes(8, "JPEG")[:-40],
    "set.npz": npz_bytes(),
    "a.json": b'{"Modality": "CT"}',
    "notes.txt": b"text",
    "empty": b"",
    "z.zip": b"PK\3\4" + bytes(60),
    "raw.bin": bytes(range(256)),
    "lfs.nii": b"version https://git-lfs.github.com/spec/v1\n",
    "d.raw": bytes(64),
}
LINKS = {"to_a.nii": "a.nii", "to_b": "b", "gone": "nowhere", "b/up": ".."}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    files=st.sets(st.sampled_from(sorted(CONTENTS))),
    links=st.sets(st.sampled_from(sorted(LINKS))),
    follow=st.booleans(),
)
def test_used_and_left_out_are_what_was_found(
    files: set[str], links: set[str], follow: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("mixture")
    for name in files | links | {"a.nii"}:
        path = folder / "archive" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name in CONTENTS:
            path.write_bytes(CONTENTS[name])
        else:
            path.symlink_to(LINKS[name])
    catalog = scan_archive([folder / "archive"], folder / "catalog", follow_links=follow)
    summary, ledger = catalog.summary(), catalog.ledger
    assert ((ledger["reason"] == "") == (ledger["state"] == "used")).all()
    assert set(summary["reasons"]) <= set(REASONS) | set(FLAGS)
    assert summary["used"] + sum(summary["reasons"].values()) == summary["files"] == len(ledger)
    on_disk = [path for path in (folder / "archive").rglob("*") if path.is_symlink() or path.is_file()]
    members = int(ledger["file"].duplicated().sum())
    assert len(ledger) - members >= len(on_disk)
    record = prepare(catalog, folder / "store").record
    assert record["used"] + sum(record["left_out"].values()) == len(catalog.scans)


def test_an_archive_without_an_image_names_every_reason(tmp_path: Path) -> None:
    for name in ("notes.txt", "empty", "raw.bin", "b/cut.nii", "cut.jpg"):
        path = tmp_path / "archive" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(CONTENTS[name])
    with pytest.raises(UsageError) as error:
        scan_archive([tmp_path / "archive"], tmp_path / "catalog")
    for code in ("NOT_AN_IMAGE", "EMPTY_FILE", "UNKNOWN_FORMAT", "TRUNCATED"):
        assert f"{code} ({REASONS[code]})" in str(error.value)
