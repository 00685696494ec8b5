"""Converted scans open in nibabel with the same values in the same place."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from medcl.archive import convert, nifti_image, read, scan_archive
from medcl.archive.scan import Scan
from medcl.errors import UsageError
from medcl.testing.phantom import encoded, put
from medcl.testing.traps.images import projection
from tests.archive.samples import mixed_archive


def test_every_scan_is_written_as_it_reads(tmp_path: Path) -> None:
    mixed_archive(tmp_path / "archive")
    catalog = scan_archive([tmp_path / "archive"], tmp_path / "catalog")
    report = convert(catalog, tmp_path / "out")
    assert report == {"written": len(catalog.scans), "failed": 0, "faults": {}}
    for scan in catalog.scans["scan"]:
        loaded = read(catalog, scan)
        image = nib.load(tmp_path / "out" / f"{scan}.nii.gz")
        metadata = json.loads((tmp_path / "out" / f"{scan}.json").read_text())
        assert metadata["shape"] == list(loaded.array.shape)
        assert set(metadata["flags"]) == set(loaded.flags)
        if loaded.is_volume:
            np.testing.assert_array_equal(np.asanyarray(image.dataobj), loaded.array)
            np.testing.assert_allclose(image.affine, loaded.affine)
            assert int(image.header["sform_code"]) == 1
        else:
            np.testing.assert_array_equal(np.asanyarray(image.dataobj)[..., 0].T, loaded.array)
            assert int(image.header["sform_code"]) == 0
            assert metadata["spacing_mm"] is None


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_a_radiograph_is_kept_with_and_without_its_window(tmp_path: Path, photometric: str) -> None:
    stored = np.arange(4000, dtype=np.uint16).reshape(50, 80)
    ds = projection(stored, WindowCenter=900, WindowWidth=1200, RescaleSlope=2, RescaleIntercept=-100)
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "a").write_bytes(encoded(put(ds, PhotometricInterpretation=photometric)))
    catalog = scan_archive([tmp_path / "archive"], tmp_path / "catalog")
    convert(catalog, tmp_path / "out")
    (scan,) = catalog.scans["scan"]
    shown, plain = (
        np.asanyarray(nib.load(tmp_path / "out" / f"{scan}{kind}.nii.gz").dataobj)[..., 0].T.astype(int)
        for kind in ("", "_unwindowed")
    )
    bright = 4095 - stored.astype(int) if photometric == "MONOCHROME1" else stored.astype(int)
    np.testing.assert_array_equal(plain, 2 * bright - 100)
    assert len(np.unique(shown)) < 700
    assert np.corrcoef(shown.ravel(), plain.ravel())[0, 1] > 0.5


def test_converting_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    mixed_archive(tmp_path / "archive")
    catalog = scan_archive([tmp_path / "archive"], tmp_path / "catalog")
    convert(catalog, tmp_path / "one")
    convert(catalog, tmp_path / "two")
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()
    with pytest.raises(UsageError, match="already exists"):
        convert(catalog, tmp_path / "one")


def test_a_sheared_affine_survives_and_a_quaternion_does_not_pretend() -> None:
    affine = np.array([[1.0, 0, 0.3, 4], [0, 1, 0, 5], [0, 0, 2, 6], [0, 0, 0, 1]])
    scan = Scan(np.zeros((3, 4, 5), np.int16), affine, (1, 1, 2.02), "HU", "CT")
    image = nib.Nifti1Image.from_bytes(nifti_image(scan).to_bytes())
    np.testing.assert_allclose(image.affine, affine)
    assert int(image.header["qform_code"]) == 0


def test_color_images_and_cine_keep_their_axes() -> None:
    color = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    image = nifti_image(Scan(color, None, (0.5, 0.25), "display", "US"))
    stored = np.asanyarray(image.dataobj)
    assert stored.shape == (5, 4, 1)
    assert tuple(stored[1, 2, 0]) == tuple(color[2, 1])
    assert image.header.get_zooms()[:2] == (0.25, 0.5)
    cine = np.arange(2 * 4 * 5, dtype=np.uint8).reshape(2, 4, 5)
    assert nifti_image(Scan(cine, None, None, "display", "US")).shape == (5, 4, 2)
