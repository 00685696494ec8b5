"""From files to a store on the command line: what is printed, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import pytest

from medcl.archive import Catalog, scan_archive
from tests.cli.in_process import error_line, medcl
from tests.store.samples import write_images
from tests.store.test_left_out import write_mixture


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten images of two classes and a text file."""
    folder = tmp_path_factory.mktemp("commands")
    write_images(folder / "archive", {"healthy": 6, "abnormal": 4})
    (folder / "archive" / "notes.txt").write_text("not a scan")
    return scan_archive([folder / "archive"], folder / "catalog").folder


def test_scan_accounts_for_every_file(catalog: Path, tmp_path: Path) -> None:
    ended = medcl("scan", catalog.parent / "archive", "-o", tmp_path / "catalog")
    lines = ended.out.splitlines()
    assert ended.code == 0
    assert lines[0] == "11 files: 10 used, 1 dropped, 0 quarantined"
    assert lines[1] == f"10 scans in {tmp_path / 'catalog'}"
    assert lines[2].startswith("10 patients; evidence for the patient, scans per source: ")
    assert lines[-2] == "1 files not used, by reason:"
    assert lines[-1].split()[:2] == ["1", "NOT_AN_IMAGE:"]


def test_scan_as_json_is_the_summary_of_the_catalog(catalog: Path, tmp_path: Path) -> None:
    ended = medcl("scan", catalog.parent / "archive", "-o", tmp_path / "catalog", "--json")
    assert json.loads(ended.out) == Catalog.open(tmp_path / "catalog").summary()


def test_scan_explains_one_scan(catalog: Path) -> None:
    scan = Catalog.open(catalog).scans["scan"][0]
    ended = medcl("scan", catalog, "--explain", scan)
    assert ended.code == 0
    assert scan in ended.out


@pytest.mark.parametrize(
    ("args", "fault", "remedy"),
    [
        (["archive"], "", "name a new folder for the catalog with -o"),
        (["catalog", "catalog", "--explain", "x"], "--explain takes one catalog", "remove"),
        (["catalog", "--explain", "nothing"], "nothing", ""),
        (["nowhere", "-o", "new"], "nowhere", ""),
        (["archive", "-o", "catalog"], "already exists", "name a new folder"),
        (["archive", "-o", "new", "--accept", "loose"], "loose", "strict"),
        (["archive", "-o", "new", "--patient-pattern", "(("], "--patient-pattern: not a regular", ""),
    ],
)
def test_scan_refuses_with_fault_and_remedy(
    catalog: Path, monkeypatch: pytest.MonkeyPatch, args: list[str], fault: str, remedy: str
) -> None:
    monkeypatch.chdir(catalog.parent)
    ended = medcl("scan", *args)
    line = error_line(ended)
    assert ended.code == 2
    assert fault in line
    assert remedy in line
    assert not Path("new").exists()


def test_convert_writes_each_scan_and_counts_those_that_are_lost(tiny_nifti: Path, tmp_path: Path) -> None:
    scan_archive([tiny_nifti], tmp_path / "catalog")
    ended = medcl("convert", tmp_path / "catalog", "-o", tmp_path / "nifti")
    assert ended.out == f"1 scans written to {tmp_path / 'nifti'}\n"
    (written,) = (tmp_path / "nifti").glob("*.nii.gz")
    assert nib.load(written).shape == (16, 16, 4)


def test_convert_needs_a_catalog(tmp_path: Path) -> None:
    ended = medcl("convert", tmp_path, "-o", tmp_path / "nifti")
    assert ended.code == 2
    assert str(tmp_path) in error_line(ended)


def test_prepare_prints_scans_splits_and_classes(catalog: Path, tmp_path: Path) -> None:
    ended = medcl("prepare", catalog, "-o", tmp_path / "s", "--labels", "folders")
    lines = ended.out.splitlines()
    assert lines[0] == f"10 scans of 10 patients used in {tmp_path / 's'}: unknown images 10"
    assert lines[1].startswith("splits: ")
    assert lines[1].endswith("classes: abnormal 4, healthy 6")
    assert "warning: 10 of 10 scans have no known patient" in lines[-1]


def test_prepare_says_that_there_are_no_labels(catalog: Path, tmp_path: Path) -> None:
    assert "; classes: no labels\n" in medcl("prepare", catalog, "-o", tmp_path / "s").out


def test_prepare_prints_the_reasons_and_the_patients(tmp_path: Path) -> None:
    scan_archive([write_mixture(tmp_path / "a", 4, 2, 2, 1, 1)], tmp_path / "c")
    result = medcl("prepare", tmp_path / "c", "-o", tmp_path / "s")
    assert result.code == 0
    assert "2 EXACT_COPY: the same pixels" in result.out
    assert "1 MASK: the mask of another scan" in result.out
    assert "have no known patient" in result.out
    assert "column 'patient' of the label table" in result.out
    assert f"each scan left out, with its reason: {tmp_path / 's' / 'left_out.parquet'}" in result.out


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (["--labels", "nowhere.csv"], "nowhere.csv: no such label table"),
        (["--image-types", "nowhere.yaml"], "nowhere.yaml"),
    ],
)
def test_prepare_refuses_before_anything_is_written(
    catalog: Path, tmp_path: Path, options: list[str], fault: str
) -> None:
    ended = medcl("prepare", catalog, "-o", tmp_path / "s", *options)
    assert ended.code == 2
    assert fault in error_line(ended)
    assert not (tmp_path / "s").exists()
