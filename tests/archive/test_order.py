"""File names, folders and the order of listing change no byte of what comes out."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from medcl.archive import Catalog, convert, scan_archive


def shuffled_copy(source: Path, target: Path, seed: int) -> None:
    """Copy all files into other folders under other names, dealt out at random."""
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
    pictures = [converted(catalog, tmp_path / f"out{n}") for n, catalog in enumerate(small)]
    assert not pictures or pictures[0] == pictures[1]
