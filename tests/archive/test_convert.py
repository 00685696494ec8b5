"""Converted scans open in nibabel with the same values in the same place."""

from __future__ import annotations

import json
import os
import signal
import sys
from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from medcl.archive import Catalog, convert, nifti_image, read, scan_archive
from medcl.archive.convert import ConvertTask, convert_scan
from medcl.archive.scan import Scan
from medcl.errors import Interrupted, UsageError
from medcl.testing.phantom import encoded, put
from medcl.testing.traps.images import projection
from tests.archive.samples import mixed_archive
from tests.killable import pools_of_the_server


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


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Catalog:
    """Scans for several batches, of which one cannot be read."""
    monkeypatch.setattr(sys.modules["medcl.archive.convert"], "BATCH", 3)
    mixed_archive(tmp_path / "archive")
    lost = nib.Nifti1Image(np.full((9, 8, 7), np.nan, np.float32), np.eye(4))
    (tmp_path / "archive" / "lost.nii").write_bytes(lost.to_bytes())
    return scan_archive([tmp_path / "archive"], tmp_path / "catalog")


def test_any_number_of_workers_writes_the_same_bytes(
    tmp_path: Path, many: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    pools_of_the_server(monkeypatch)
    reports = [convert(many, tmp_path / str(workers), workers) for workers in (1, 2, 3)]
    assert reports[0]["faults"].popitem()[1] == "NONFINITE_MANY"
    assert reports[1] == reports[2]
    assert reports[1]["written"] == reports[0]["written"] == len(many.scans) - 1
    assert _files(tmp_path / "1") == _files(tmp_path / "2") == _files(tmp_path / "3")


def test_a_stopped_conversion_is_resumed_by_workers(
    tmp_path: Path, many: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    pools_of_the_server(monkeypatch)
    convert(many, tmp_path / "whole")
    module = sys.modules["medcl.archive.convert"]
    plain, done = module.convert_scan, []

    def stopping(catalog: Catalog, scan: str, out: Path) -> str:
        if len(done) == 5:
            raise Interrupted("stopped", 15)
        done.append(scan)
        return str(plain(catalog, scan, out))

    monkeypatch.setattr(module, "convert_scan", stopping)
    with pytest.raises(Interrupted):
        convert(many, tmp_path / "out")
    assert (tmp_path / "out" / "converting.json").is_file()
    monkeypatch.setattr(module, "convert_scan", plain)
    (tmp_path / "out" / ".scan.nii.gz.1.tmp").touch()  # as a killed worker leaves it
    convert(many, tmp_path / "out", workers=2)
    assert _files(tmp_path / "out") == _files(tmp_path / "whole")


def _die_of(victim: str, task: ConvertTask) -> list[str]:
    if victim in task.scans:
        os.kill(os.getpid(), signal.SIGKILL)
    return [convert_scan(task.catalog, scan, task.out) for scan in task.scans]


def test_a_scan_that_ends_its_process_is_left_out_alone(
    tmp_path: Path, many: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    pools_of_the_server(monkeypatch)
    victim = many.scans["scan"][4]
    monkeypatch.setattr(sys.modules["medcl.archive.convert"], "_convert_batch", partial(_die_of, victim))
    report = convert(many, tmp_path / "out", workers=2)
    assert report["faults"][victim] == "CRASHED"
    assert report["failed"] == 2
    assert len(list((tmp_path / "out").glob("*.json"))) == report["written"] == len(many.scans) - 2


def test_an_axis_too_long_for_nifti_1_is_written_as_nifti_2() -> None:
    strip = Scan(np.zeros((2, 40_000), np.uint8), None, None, "display", "SM")
    assert nib.Nifti2Image.from_bytes(nifti_image(strip).to_bytes()).shape == (40_000, 2, 1)
