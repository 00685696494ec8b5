"""The registry: every format is recognized by its content, and its last file of several scans is kept."""

from __future__ import annotations

import gzip
import io
import itertools
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from medcl.archive import read, scan_archive
from medcl.archive.convert import convert
from medcl.archive.formats import nifti
from medcl.archive.formats.registry import FORMATS, SIGNATURES, ZIP_SUFFIXES, Format, find_format
from medcl.archive.storage import open_file
from medcl.archive.storage.containers import container_kind
from medcl.archive.storage.open_file import SourceFile
from medcl.archive.storage.sniff import sniff
from medcl.store import prepare
from tests.archive.formats import volumes
from tests.archive.formats.in_memory import in_memory
from tests.archive.formats.volumes import put, reasons, written
from tests.archive.samples import image_bytes, npz_bytes

NIFTI = nib.Nifti1Image(np.arange(4 * 5 * 6 * 3, dtype=np.int16).reshape(4, 5, 6, 3), np.eye(4)).to_bytes()


def npy_bytes(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


WRITTEN = written()
PAIRS = [files for _, files in WRITTEN.values() if "a.hdr" in files]
CONTENTS = {
    "nifti": [NIFTI, gzip.compress(NIFTI)],
    "image": [image_bytes(1, kind) for kind in ("PNG", "JPEG", "TIFF", "BMP", "JPEG2000")],
    "metaimage": [files["a.mha"] for _, files in WRITTEN.values() if "a.mha" in files],
    "nrrd": [files["a.nrrd"] for _, files in WRITTEN.values() if "a.nrrd" in files],
    "mgh": [WRITTEN["mgh"][1]["a.mgh"], WRITTEN["mgz"][1]["a.mgz"]],
    "npy": [npy_bytes(np.zeros((5, 4), np.uint8)), npy_bytes(np.ones((5, 4, 3), np.float32))],
    "npz": [npz_bytes()],
}


def recognized(content: bytes) -> str | None:
    kind = sniff(content[:4096], SIGNATURES)
    if kind == "gzip":
        kind = f"gzip-{sniff(gzip.decompress(content)[:4096], SIGNATURES)}"
    entry = find_format(kind, io.BytesIO(content))
    return None if entry is None else entry.name


def test_no_two_formats_have_a_name_or_a_magic_in_common() -> None:
    assert len({entry.name for entry in FORMATS}) == len(FORMATS)
    for (first, at, magic), (second, other_at, other) in itertools.combinations(SIGNATURES, 2):
        assert first == second or at != other_at or not magic.startswith(other) | other.startswith(magic)


@pytest.mark.parametrize("entry", FORMATS, ids=lambda entry: entry.name)
def test_a_format_is_recognized_by_content_and_loads_what_it_inspected(entry: Format, tmp_path: Path) -> None:
    for content in CONTENTS.get(entry.name, []):
        assert recognized(content) == entry.name
        assert container_kind(io.BytesIO(content), SIGNATURES, ZIP_SUFFIXES) is None
        path = tmp_path / "file"
        path.write_bytes(content)
        file = SourceFile(str(path), "", len(content), 0)
        for scan in entry.inspect(file):
            assert scan.source == entry.name
            assert entry.load(file, scan.part).array.shape == scan.shape


def test_a_gzipped_image_is_of_no_format() -> None:
    assert recognized(gzip.compress(image_bytes(1))) is None


@pytest.mark.parametrize(("name", "content"), [("nifti", NIFTI), ("npz", npz_bytes())])
def test_scans_of_one_file_are_read_without_opening_it_again(
    name: str, content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    entry = next(entry for entry in FORMATS if entry.name == name)
    file = SourceFile(str(path), "", len(content), 0)
    parts = [scan.part for scan in entry.inspect(file)]
    opened = []
    open_part = open_file.open_part
    monkeypatch.setattr(open_file, "open_part", lambda *args: opened.append(args) or open_part(*args))
    for part in parts:
        entry.load(SourceFile(str(path), "", len(content), 0), part)
    assert len(parts) > 2
    assert len(opened) == len({part.partition(":")[0] for part in parts})


@pytest.mark.parametrize("name", WRITTEN)
def test_a_format_gives_what_nifti_gives(name: str, tmp_path: Path) -> None:
    image = nib.Nifti1Image(volumes.voxels(), volumes.oblique())
    expected = nifti.load(in_memory(image.to_bytes()), "")
    _, files = WRITTEN[name]
    catalog = scan_archive([put(tmp_path / "archive", files)], tmp_path / "catalog")
    assert len(catalog.scans) == 1
    row = catalog.scans.iloc[0]
    scan = read(catalog, row["scan"])
    assert scan.affine is not None
    assert (scan.array == expected.array).all()
    assert np.abs(scan.affine - expected.affine).max() < 1e-4
    assert row["shape"] == "x".join(map(str, expected.array.shape))
    assert np.allclose(row["spacing_mm"], expected.spacing_mm, atol=1e-4)
    assert row["n_files"] == len(files)
    assert reasons(catalog) == ["DATA_FILE"] * (len(files) - 1)
    assert set(catalog.ledger["scan"]) == {row["scan"]}


def test_converted_and_prepared(tmp_path: Path) -> None:
    for number, name in enumerate(["mhd-little", "nhdr-gzip-big", "mgz", "pair1-big"]):
        put(tmp_path / "archive" / f"p{number}", WRITTEN[name][1])
    catalog = scan_archive([tmp_path / "archive"], tmp_path / "catalog")
    convert(catalog, tmp_path / "nifti")
    for path in (tmp_path / "nifti").rglob("*.nii.gz"):
        assert np.asarray(nib.load(path).dataobj).sum() == volumes.voxels().sum()
    assert len(prepare(catalog, tmp_path / "store").scans) == 4
