"""A scan accounts for every file, whatever lies in the folder and in whatever order."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from typer.testing import CliRunner

from medcl.archive import Catalog, convert, explain_scan, scan_archive
from medcl.archive.flags import REASONS
from medcl.cli import app
from medcl.errors import UsageError
from tests.archive.samples import image_bytes, mixed_archive
from tests.store.samples import write_images


def test_every_file_ends_in_one_state(tmp_path: Path) -> None:
    expected = mixed_archive(tmp_path / "archive")
    catalog = scan_archive([tmp_path / "archive"], tmp_path / "catalog")
    summary = catalog.summary()
    assert {state: summary[state] for state in expected} == expected
    assert summary["files"] == sum(expected.values()) == len(catalog.ledger)
    assert catalog.ledger["file"].is_unique
    assert catalog.scans["scan"].is_unique
    assert summary["scans"] == 4 + 5 + 15
    assert set(summary["reasons"]) <= set(REASONS)
    assert json.loads((catalog.folder / "summary.json").read_text())["files"] == summary["files"]


def _outputs(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.suffix in (".parquet", ".json")}


def test_order_of_listing_archives_and_workers_changes_no_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mixed_archive(tmp_path / "one")
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "p.png").write_bytes(image_bytes(9))
    archives = [tmp_path / "one", tmp_path / "two"]
    scan_archive(archives, tmp_path / "first")

    plain = os.scandir

    class Shuffled:
        def __init__(self, path: str) -> None:
            self.children = list(plain(path))
            random.Random(5).shuffle(self.children)

        def __enter__(self) -> object:
            return iter(self.children)

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(os, "scandir", Shuffled)
    scan_archive([*archives[::-1], tmp_path / "one" / "sub-01"], tmp_path / "second", workers=2)
    assert _outputs(tmp_path / "first") == _outputs(tmp_path / "second")


@pytest.mark.parametrize("name", ["missing", "empty", "nothing"])
def test_wrong_use_is_one_line_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "nothing").mkdir()
    (tmp_path / "nothing" / "patient_smith.txt").write_text("no image")
    with pytest.raises(UsageError) as error:
        scan_archive([tmp_path / name], tmp_path / "catalog")
    assert "\n" not in str(error.value)
    assert "smith" not in str(error.value)
    assert not (tmp_path / "catalog").exists()


def test_a_used_output_folder_and_an_unknown_accept_are_refused(tmp_path: Path) -> None:
    mixed_archive(tmp_path / "archive")
    scan_archive([tmp_path / "archive"], tmp_path / "catalog")
    with pytest.raises(UsageError, match="already exists"):
        scan_archive([tmp_path / "archive"], tmp_path / "catalog")
    with pytest.raises(UsageError, match="strict, default or lenient"):
        scan_archive([tmp_path / "archive"], tmp_path / "other", accept="lax")


def test_the_old_name_of_accept_is_refused_with_the_new_one(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["scan", str(tmp_path), "-o", str(tmp_path / "c"), "--policy", "strict"])
    assert str(result.exception) == "--policy is named --accept now"
    (tmp_path / "p.png").write_bytes(image_bytes())
    catalog = scan_archive([tmp_path], tmp_path.with_name("catalog"))
    summary = catalog.folder / "summary.json"
    summary.write_text(summary.read_text().replace('"accept"', '"policy"'))
    with pytest.raises(UsageError, match="'policy' is named 'accept' now; scan the archive again"):
        Catalog.open(catalog.folder)


def test_a_catalog_inside_its_archive_is_refused(tmp_path: Path) -> None:
    mixed_archive(tmp_path / "archive")
    (tmp_path / "link").symlink_to(tmp_path / "archive" / "images")
    for out in (tmp_path / "archive" / "catalog", tmp_path / "link" / "catalog"):
        with pytest.raises(UsageError, match="inside the archive"):
            scan_archive([tmp_path / "archive"], out)
        assert not out.exists()


@pytest.mark.parametrize("name", ["summary.json", "catalog.parquet", "ledger.parquet", "masks.parquet"])
def test_a_damaged_catalog_is_one_line(tmp_path: Path, name: str) -> None:
    mixed_archive(tmp_path / "archive")
    folder = scan_archive([tmp_path / "archive"], tmp_path / "catalog").folder
    (folder / name).write_text("{")
    with pytest.raises(UsageError, match="damaged catalog"):
        Catalog.open(folder)


def test_an_explanation_tells_what_shows_in_the_pixels_only(tmp_path: Path, private_home: Path) -> None:
    values = np.ones((6, 5, 8), np.float32)
    values[0, 0, 0] = np.nan
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "nan.nii").write_bytes(nib.Nifti1Image(values, np.eye(4)).to_bytes())
    catalog = scan_archive([tmp_path / "archive"], tmp_path / "catalog")
    (scan,) = catalog.scans["scan"]
    assert "NONFINITE (repair)" in explain_scan(catalog, scan)
    (tmp_path / "archive" / "nan.nii").unlink()
    assert "cannot be read" in explain_scan(Catalog.open(catalog.folder), scan)
    (private_home / "locators" / f"{catalog.identity}.parquet").unlink()
    assert "locator is not on this machine" in explain_scan(Catalog.open(catalog.folder), scan)


@pytest.mark.parametrize(
    ("name", "files", "scans"),
    [("pneumoniamnist.npz", 1, 5856), ("busi", 780, 780), ("brats6", 24, 24), ("msd_hippocampus", 523, 523)],
)
def test_real_archives_are_accounted_for(
    tmp_path: Path, data: Callable[[str], Path], name: str, files: int, scans: int
) -> None:
    summary = scan_archive([data(name)], tmp_path / "catalog").summary()
    assert (summary["files"], summary["used"], summary["scans"]) == (files, files, scans)


def shuffled_copy(source: Path, target: Path, seed: int) -> None:
    """Copy all files into other folders under other names, at random."""
    draw = random.Random(seed)
    files = sorted(path for path in source.rglob("*") if path.is_file())
    draw.shuffle(files)
    for number, path in enumerate(files):
        place = target / f"d{draw.randrange(4)}" / f"{draw.randrange(9)}x{number}"
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)


def converted(catalog: Catalog, folder: Path) -> dict[str, bytes]:
    convert(catalog, folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("name", ["dicom_mr_tcia/TCGA-BC-4073", "dicom_ct_philips"])
def test_names_and_folders_of_dicom_files_do_not_matter(
    tmp_path: Path, data: Callable[[str], Path], name: str
) -> None:
    catalogs = []
    for seed in range(2):
        shuffled_copy(data(name), tmp_path / f"archive{seed}", seed)
        catalogs.append(scan_archive([tmp_path / f"archive{seed}"], tmp_path / f"catalog{seed}"))
    first, second = ((catalog.folder / "catalog.parquet").read_bytes() for catalog in catalogs)
    assert first == second
    assert catalogs[0].summary() == catalogs[1].summary()
    small = [c for c in catalogs if c.scans["n_files"].sum() < 40]
    images = [converted(catalog, tmp_path / f"out{n}") for n, catalog in enumerate(small)]
    assert not images or images[0] == images[1]


def test_a_catalog_with_an_owner_has_a_locator_of_its_own(tmp_path: Path, private_home: Path) -> None:
    archive = write_images(tmp_path / "archive", {"a": 2})
    owned = scan_archive([archive], tmp_path / "first", owner="one")
    assert Catalog.located() == {owned.identity}
    shared = scan_archive([archive], tmp_path / "second")
    copied = scan_archive([archive], tmp_path / "third", owner="one")
    other = scan_archive([archive], tmp_path / "fourth", owner="two")
    assert copied.identity == owned.identity
    assert len({owned.identity, shared.identity, other.identity}) == 3
    assert other.locations().equals(shared.locations())
    for catalog in (copied, other):
        catalog.forget()
    assert Catalog.located() == {shared.identity}
    assert Catalog.open(tmp_path / "third").identity == copied.identity
