"""Volumes in any format give the voxels and the affine of the same NIfTI; faults are refused by name."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from medcl.archive import Catalog, read, scan_archive
from medcl.archive.convert import convert
from medcl.archive.flags import Rejected
from medcl.archive.formats import metaimage, mgh, nifti, nrrd
from medcl.errors import UsageError
from medcl.store import prepare
from tests.archive.formats import volumes
from tests.archive.formats.in_memory import in_memory

WRITTEN = volumes.written()
DETACHED = [name for name, (_, files) in WRITTEN.items() if len(files) == 2]


def put(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def scanned(folder: Path, out: Path) -> Catalog:
    """Scan a folder to which a small NIfTI is added, so that there is always something to use."""
    (folder / "other.nii").write_bytes(nib.Nifti1Image(np.ones((4, 4, 4), np.int16), np.eye(4)).to_bytes())
    return scan_archive([folder], out)


def reasons(catalog: Catalog) -> list[str]:
    return sorted(reason for reason in catalog.ledger["reason"] if reason)


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


@pytest.mark.parametrize("order", ["<", ">"])
def test_analyze_has_sizes_but_no_directions(order: str, tmp_path: Path) -> None:
    catalog = scan_archive([put(tmp_path / "archive", volumes.analyze(order))], tmp_path / "catalog")
    scan = read(catalog, catalog.scans["scan"][0])
    assert (scan.array == volumes.voxels()).all()
    assert np.allclose(scan.spacing_mm, [0.9, 1.4, 3.1])
    assert "XFORM_UNKNOWN" in scan.flags
    with pytest.raises(UsageError):
        scan_archive([tmp_path / "archive"], tmp_path / "strict", accept="strict")


def refusal(content: bytes, module: object) -> str:
    with pytest.raises(Rejected) as caught:
        module.inspect(in_memory(content))  # type: ignore[attr-defined]
    return caught.value.code


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"DimSize = 7 6 5", b"DimSize = 70000 60000 5", "TOO_LARGE"),
        (b"DimSize = 7 6 5", b"DimSize = 7 6", "BAD_HEADER"),
        (b"DimSize = 7 6 5", b"DimSize = 7 -6 5", "BAD_HEADER"),
        (b"MET_SHORT", b"MET_NOTHING", "UNSUPPORTED_DTYPE"),
        (b"LOCAL", b"LIST", "DATA_SPREAD"),
        (b"LOCAL", b"slice%03d.raw", "DATA_SPREAD"),
        (b"ElementSpacing =", b"ElementSpacing = 0 1 1\nComment =", "AFFINE_DEGENERATE"),
        (b"ObjectType = Image", b"ObjectType = Scene", "NOT_AN_IMAGE"),
    ],
)  # fmt: skip
def test_headers_of_metaimage_that_lie_are_refused(old: bytes, new: bytes, code: str) -> None:
    content = WRITTEN["mha-little"][1]["a.mha"].replace(old, new)
    assert refusal(content, metaimage) == code


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"sizes: 7 6 5", b"sizes: 70000 60000 5", "TOO_LARGE"),
        (b"sizes: 7 6 5", b"sizes: 7 6", "BAD_HEADER"),
        (b"endian: little\n", b"", "BAD_HEADER"),
        (b"encoding: raw", b"encoding: hex", "NRRD_ENCODING"),
        (b"type: short", b"type: block", "UNSUPPORTED_DTYPE"),
    ],
)
def test_headers_of_nrrd_that_lie_are_refused(old: bytes, new: bytes, code: str) -> None:
    assert refusal(WRITTEN["nrrd-raw-little"][1]["a.nrrd"].replace(old, new), nrrd) == code


def test_absurd_sizes_of_mgh_are_refused() -> None:
    content = bytearray(WRITTEN["mgh"][1]["a.mgh"])
    content[4:16] = b"\0\0\x7f\xff" * 3
    assert refusal(bytes(content), mgh) == "TOO_LARGE"


@pytest.mark.parametrize("space", ["scanner-xyz", "3D-left-handed", "sideways-up-down"])
def test_a_space_without_directions_is_flagged(space: str) -> None:
    content = WRITTEN["nrrd-raw-little"][1]["a.nrrd"].replace(b"left-posterior-superior", space.encode())
    assert "XFORM_UNKNOWN" in nrrd.inspect(in_memory(content))[0].flags


@pytest.mark.parametrize(
    ("kind", "part"), [("vector", "channel:1"), ("list", "channel:1"), ("time", "frame:1")]
)
@pytest.mark.parametrize("first", [True, False])
def test_further_axes_of_nrrd_are_scans_of_their_own(kind: str, part: str, first: bool) -> None:
    array = np.stack([volumes.voxels(), volumes.voxels() + 1000])
    array = array if first else np.moveaxis(array, 0, -1)
    plain = WRITTEN["nrrd-raw-little"][1]["a.nrrd"].partition(b"\n\n")[0] + b"\n\n"
    sizes, kinds, none = ("2 7 6 5", f"{kind} domain domain domain", b"directions: none (")
    if not first:
        sizes, kinds, none = "7 6 5 2", f"domain domain domain {kind}", b"directions: ("
    head = plain.replace(b"dimension: 3", b"dimension: 4").replace(
        b"sizes: 7 6 5", f"sizes: {sizes}".encode()
    )
    head = head.replace(b"directions: (", none).replace(
        b"kinds: domain domain domain", f"kinds: {kinds}".encode()
    )
    if not first:
        head = head.replace(b"\nkinds", b" none\nkinds")
    file = in_memory(head + volumes.stored(array, "<"))
    scans = nrrd.inspect(file)
    assert [scan.part for scan in scans] == [part.replace("1", "0"), part]
    single = nrrd.load(in_memory(WRITTEN["nrrd-raw-little"][1]["a.nrrd"]), "")
    assert (nrrd.load(file, part).array == single.array + 1000).all()


def test_converted_and_prepared(tmp_path: Path) -> None:
    for number, name in enumerate(["mhd-little", "nhdr-gzip-big", "mgz", "pair1-big"]):
        put(tmp_path / "archive" / f"p{number}", WRITTEN[name][1])
    catalog = scan_archive([tmp_path / "archive"], tmp_path / "catalog")
    convert(catalog, tmp_path / "nifti")
    for path in (tmp_path / "nifti").rglob("*.nii.gz"):
        assert np.asarray(nib.load(path).dataobj).sum() == volumes.voxels().sum()
    assert len(prepare(catalog, tmp_path / "store").scans) == 4
