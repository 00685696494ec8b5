"""The same image in every format: scanned, converted, prepared and predicted on, it is the same."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset

from medcl.archive import Catalog, read, scan_archive
from medcl.archive.convert import convert
from medcl.archive.formats import nifti
from medcl.finetune import Classifier, Model, ModelConfig
from medcl.predict import predict_archive
from medcl.pretrain import EncoderConfig, ViewsConfig, build_encoder
from medcl.store import prepare
from medcl.testing import phantom
from tests.archive.formats import volumes
from tests.archive.formats.in_memory import in_memory
from tests.archive.formats.volumes import put

ENCODER = EncoderConfig(name="resnet10", width=8, stem="compact")


def texture(shape: tuple[int, ...]) -> np.ndarray:
    """Return int16 values that are no label map."""
    smooth = sum(np.cos(axis / 3.0 + n) for n, axis in enumerate(np.indices(shape)))
    noise = np.random.default_rng(0).normal(0, 30, shape)
    return np.asarray(np.round(400 + 100 * smooth + noise), np.int16)


def dicom_series(array: np.ndarray, affine: np.ndarray, name: str) -> list[Dataset]:
    """Return an MR series of a volume whose axes (RAS+ affine) are at right angles."""
    lps = volumes.LPS @ affine
    lengths = np.linalg.norm(lps[:3, :3], axis=0)
    slices = []
    for number in range(array.shape[2]):
        ds = phantom.image(array[:, :, number].T.astype(np.int16), name=name, number=number, modality="MR")
        phantom.put(ds, RescaleSlope=None, RescaleIntercept=None, SliceThickness=float(round(lengths[2], 6)))
        ds.ImagePositionPatient = [f"{v:.9f}" for v in lps[:3, 3] + number * lps[:3, 2]]
        ds.ImageOrientationPatient = [f"{v:.11f}" for v in (lps[:3, :2] / lengths[:2]).T.ravel()]
        ds.PixelSpacing = [f"{lengths[1]:.9f}", f"{lengths[0]:.9f}"]
        slices.append(ds)
    return slices


def volume_files() -> dict[str, dict[str, bytes]]:
    """Return the files of one volume by format."""
    array, affine = texture((18, 16, 12)), volumes.oblique()
    image = nib.Nifti1Image(array, affine)
    image.header.set_xyzt_units("mm")
    slices, others = (phantom.files(dicom_series(array, affine, name)) for name in "ab")
    written = volumes.written(array)
    variants = (
        "mha-little", "mha-zlib-big", "mhd-big", "mhd-zlib-little", "nrrd-raw-big", "nrrd-gzip-little",
        "nrrd-text-little", "nhdr-bzip2-big", "mgh", "mgz", "pair1-big", "pair2-gzip-little",
    )  # fmt: skip
    return {
        "nifti": {"a.nii": image.to_bytes()},
        "nifti-gzip": {"a.nii.gz": gzip.compress(image.to_bytes())},
        "dicom": slices,
        "dicom-gzip": {f"{name}.dcm.gz": gzip.compress(content) for name, content in others.items()},
        **{name: written[name][1] for name in variants},
    }


def picture_files(array: np.ndarray) -> dict[str, dict[str, bytes]]:
    """Return the files of one picture, and of one of two pages, by format."""
    picture, page = Image.fromarray(array), Image.fromarray(array[::-1].copy())

    def saved(kind: str, **options: object) -> bytes:
        stream = io.BytesIO()
        picture.save(stream, kind, **options)
        return stream.getvalue()

    npy = io.BytesIO()
    np.save(npy, array)
    files = {"a.png": saved("PNG"), "a.npy": npy.getvalue(), "a.tif": saved("TIFF"),
             "a.jp2": saved("JPEG2000", irreversible=False),
             "pages.tif": saved("TIFF", save_all=True, append_images=[page])}  # fmt: skip
    if array.dtype == np.uint8:
        files["a.bmp"] = saved("BMP")
    else:
        files["big.tif"] = b"MM\0*" + big_endian_tiff(array)
    return {name: {name: content} for name, content in files.items()}


def big_endian_tiff(array: np.ndarray) -> bytes:
    """Return what follows the first four bytes of a big-endian gray TIFF of 16 bits."""
    rows, columns = array.shape
    tags = [(256, columns), (257, rows), (258, 16), (259, 1), (262, 1), (273, 8), (277, 1), (278, rows)]
    pixels = array.astype(">u2").tobytes()
    entries = [
        tag.to_bytes(2, "big") + b"\0\3\0\0\0\1" + value.to_bytes(2, "big") + b"\0\0" for tag, value in tags
    ]
    entries.append((279).to_bytes(2, "big") + b"\0\4\0\0\0\1" + len(pixels).to_bytes(4, "big"))
    directory = len(entries).to_bytes(2, "big") + b"".join(entries) + bytes(4)
    return (8 + len(pixels)).to_bytes(4, "big") + pixels + directory


def model(folder: Path, unit: str, modalities: tuple[str, ...]) -> Path:
    """Write a model with random weights."""
    config = ModelConfig(
        encoder=ENCODER, views=ViewsConfig(policy="unknown", size_px=16, slices=4), names=("0", "1"),
        threshold=0.5, units=(unit,), modalities=modalities, arm="probe", budget="all", seed=0,
    )  # fmt: skip
    Model(Classifier(build_encoder(ENCODER, 0).eval()), config).save(folder)
    return folder


def written_to(folder: Path, variants: dict[str, dict[str, bytes]]) -> Path:
    for name, files in variants.items():
        put(folder / name, files)
    return folder


def check_prepared(catalog: Catalog, out: Path, expected: np.ndarray, affine: np.ndarray | None) -> None:
    """Check that each scan of a store is the expected one; copies of one image are all but one left out."""
    store = prepare(catalog, out)
    assert len(store.scans) + sum(store.record["left_out"].values()) >= len(catalog.scans)
    for row in range(len(store.scans)):
        assert np.array_equal(store.array(row), expected)
        if affine is not None:
            assert np.abs(store.affine(row) - affine).max() < 1e-4


def test_a_volume_in_every_format(tmp_path: Path) -> None:
    variants = volume_files()
    expected = nifti.load(in_memory(variants["nifti"]["a.nii"]), "")
    assert expected.affine is not None
    archive = written_to(tmp_path / "archive", variants)
    catalog = scan_archive([archive], tmp_path / "catalog")
    assert len(catalog.scans) == len(variants)
    for scan in (read(catalog, scan) for scan in catalog.scans["scan"]):
        assert np.array_equal(scan.array, expected.array)
        assert np.abs(scan.affine - expected.affine).max() < 1e-4
    assert convert(catalog, tmp_path / "nifti")["written"] == len(variants)
    for path in (tmp_path / "nifti").glob("*.nii.gz"):
        converted = nib.load(path)
        assert np.array_equal(np.asarray(converted.dataobj), expected.array)
        assert np.abs(converted.affine - expected.affine).max() < 1e-4
    check_prepared(catalog, tmp_path / "store", expected.array, expected.affine)
    summary = predict_archive(
        model(tmp_path / "model", "a.u.", ("unknown", "MR")), [archive], tmp_path / "p.csv"
    )
    probabilities = np.loadtxt(tmp_path / "p.csv", delimiter=",", skiprows=1, usecols=6)
    assert summary["scans"] == len(variants)
    assert np.ptp(probabilities) < 1e-5


@pytest.mark.parametrize(("dtype", "unit"), [(np.uint8, "display"), (np.uint16, "a.u.")])
def test_a_picture_in_every_format(dtype: type, unit: str, tmp_path: Path) -> None:
    array = texture((40, 36))
    array = array.clip(0, 255).astype(dtype) if dtype == np.uint8 else (array.astype(dtype) * 40)
    variants = picture_files(array)
    archive = written_to(tmp_path / "archive", variants)
    catalog = scan_archive([archive], tmp_path / "catalog")
    scans = [read(catalog, scan) for scan in catalog.scans["scan"]]
    assert len(scans) == len(variants) + 1  # of two pages
    assert sum(np.array_equal(scan.array, array[::-1]) for scan in scans) == 1
    assert sum(np.array_equal(scan.array, array) for scan in scans) == len(variants)
    assert convert(catalog, tmp_path / "nifti")["written"] == len(scans)
    store = prepare(catalog, tmp_path / "store")
    assert {bool((store.array(row) == array).all()) for row in range(len(store.scans))} == {True, False}
    summary = predict_archive(model(tmp_path / "model", unit, ("unknown",)), [archive], tmp_path / "p.csv")
    assert summary["scans"] == len(scans)
