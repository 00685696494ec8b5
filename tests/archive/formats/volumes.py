"""The same volume written in every format, by the description of each format."""

from __future__ import annotations

import bz2
import gzip
import io
import struct
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from medcl.archive import Catalog, scan_archive
from medcl.archive.flags import Rejected
from tests.archive.formats.in_memory import in_memory

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def oblique(flip: tuple[int, int, int] = (1, -1, 1)) -> np.ndarray:
    """Return an affine (RAS+ mm) with anisotropic voxels, turned axes and flips."""
    a, b = np.radians([20.0, -13.0])
    turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    turn = turn @ np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag(np.array([0.9, 1.4, 3.1]) * flip)
    affine[:3, 3] = [12.5, -31.25, 7.75]
    return affine


def voxels() -> np.ndarray:
    """Return int16 voxels (7, 6, 5), all different."""
    return np.arange(7 * 6 * 5, dtype=np.int16).reshape(7, 6, 5) * 3 - 100


def stored(array: np.ndarray, order: str) -> bytes:
    return array.astype(array.dtype.newbyteorder(order)).tobytes(order="F")


def metaimage(
    array: np.ndarray, affine: np.ndarray, order: str = "<", data: str = "LOCAL", packed: bool = False
) -> bytes:
    """Return the header of a MetaImage without voxels."""
    lps = LPS @ affine
    lengths = np.linalg.norm(lps[:3, :3], axis=0)
    axes = (lps[:3, :3] / lengths).T.ravel()
    return "\n".join(
        [
            "ObjectType = Image", "NDims = 3", "BinaryData = True",
            f"BinaryDataByteOrderMSB = {order == '>'}", f"CompressedData = {packed}",
            "TransformMatrix = " + " ".join(map(repr, map(float, axes))),
            "Offset = " + " ".join(map(repr, map(float, lps[:3, 3]))),
            "ElementSpacing = " + " ".join(map(repr, map(float, lengths))),
            "DimSize = " + " ".join(map(str, array.shape)),
            "ElementType = MET_SHORT", f"ElementDataFile = {data}", "",
        ]
    ).encode()  # fmt: skip


SPACES = {
    "left-posterior-superior": (-1, -1, 1), "RAS": (1, 1, 1), "left-anterior-superior": (-1, 1, 1),
    "right-anterior-superior": (1, 1, 1),
}  # fmt: skip


def nrrd(
    array: np.ndarray, affine: np.ndarray, order: str = "<", encoding: str = "raw",
    space: str = "left-posterior-superior", data: str = "", unit: str = "mm", scale: float = 1.0,
) -> bytes:  # fmt: skip
    """Return the header of a NRRD without voxels."""
    inside = np.diag([*SPACES[space], 1]) @ affine * scale
    vectors = " ".join(f"({','.join(repr(float(v)) for v in inside[:3, k])})" for k in range(3))
    lines = [
        "NRRD0004", "# written by a test", "type: short", "dimension: 3", f"space: {space}",
        "sizes: " + " ".join(map(str, array.shape)), f"space directions: {vectors}",
        "kinds: domain domain domain", f"endian: {'little' if order == '<' else 'big'}",
        f"encoding: {encoding}", f'space units: "{unit}" "{unit}" "{unit}"', "who:=nobody",
        f"space origin: ({','.join(repr(float(v)) for v in inside[:3, 3])})",
    ]  # fmt: skip
    lines += [f"data file: {data}"] if data else []
    return ("\n".join(lines) + ("\n" if data else "\n\n")).encode()


def written(array: np.ndarray | None = None) -> dict[str, tuple[str, dict[str, bytes]]]:
    """Return, by the name of a variant, the file to scan and all files to write."""
    array, affine = voxels() if array is None else array, oblique()
    files: dict[str, tuple[str, dict[str, bytes]]] = {}
    for name, order in (("little", "<"), ("big", ">")):
        raw = stored(array, order)
        files[f"mha-{name}"] = ("a.mha", {"a.mha": metaimage(array, affine, order) + raw})
        packed = zlib.compress(raw)
        files[f"mha-zlib-{name}"] = (
            "a.mha",
            {"a.mha": metaimage(array, affine, order, packed=True) + packed},
        )
        files[f"mhd-{name}"] = ("a.mhd", {"a.mhd": metaimage(array, affine, order, "b.raw"), "b.raw": raw})
        zraw = metaimage(array, affine, order, "b.zraw", packed=True)
        files[f"mhd-zlib-{name}"] = ("a.mhd", {"a.mhd": zraw, "b.zraw": packed})
        for encoding, content in (("raw", raw), ("gzip", gzip.compress(raw)), ("bzip2", bz2.compress(raw))):
            head = nrrd(array, affine, order, encoding)
            files[f"nrrd-{encoding}-{name}"] = ("a.nrrd", {"a.nrrd": head + content})
            head = nrrd(array, affine, order, encoding, data="d/b.raw")
            files[f"nhdr-{encoding}-{name}"] = ("a.nhdr", {"a.nhdr": head, "d/b.raw": content})
        text = " ".join(map(str, array.ravel(order="F"))).encode()
        files[f"nrrd-text-{name}"] = ("a.nrrd", {"a.nrrd": nrrd(array, affine, order, "ascii") + text})
    for space in SPACES:
        head = nrrd(array, affine, space=space)
        files[f"nrrd-{space}"] = ("a.nrrd", {"a.nrrd": head + stored(array, "<")})
    head = nrrd(array, affine, unit="um", scale=1000.0)
    files["nrrd-um"] = ("a.nrrd", {"a.nrrd": head + stored(array, "<")})
    mgh = nib.MGHImage(array, affine).to_bytes()
    files["mgh"], files["mgz"] = ("a.mgh", {"a.mgh": mgh}), ("a.mgz", {"a.mgz": gzip.compress(mgh)})
    for name, order in (("little", "<"), ("big", ">")):
        for version, kind in ((1, nib.Nifti1Pair), (2, nib.Nifti2Pair)):
            header = kind.header_class(endianness=order)
            image = kind(array, affine, header)
            image.header.set_data_dtype(np.dtype(np.int16).newbyteorder(order))
            image.header.set_xyzt_units("mm")
            streams = {suffix: io.BytesIO() for suffix in ("header", "image")}
            for suffix, stream in streams.items():
                image.file_map[suffix].fileobj = stream
            image.to_file_map()
            pair = {"a.hdr": streams["header"].getvalue(), "a.img": streams["image"].getvalue()}
            files[f"pair{version}-{name}"] = ("a.hdr", pair)
            zipped = {f"{path}.gz": gzip.compress(content) for path, content in pair.items()}
            files[f"pair{version}-gzip-{name}"] = ("a.hdr.gz", zipped)
    return files


def analyze(order: str = "<") -> dict[str, bytes]:
    """Return an Analyze 7.5 pair of the same voxels."""
    array = voxels()
    head = bytearray(348)
    struct.pack_into(f"{order}i", head, 0, 348)
    struct.pack_into(f"{order}8h", head, 40, 4, *array.shape, 1, 1, 1, 1)
    struct.pack_into(f"{order}hh", head, 70, 4, 16)
    struct.pack_into(f"{order}8f", head, 76, 0, 0.9, 1.4, 3.1, 0, 0, 0, 0)
    head[252] = 1  # an orientation that NIfTI would take for its qform_code
    return {"a.hdr": bytes(head), "a.img": stored(array, order)}


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


def refusal(content: bytes, module: object) -> str:
    with pytest.raises(Rejected) as caught:
        module.inspect(in_memory(content))  # type: ignore[attr-defined]
    return caught.value.code
