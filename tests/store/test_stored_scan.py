"""What a store holds of a scan: the smallest exact type, orthogonal axes, the mask, and its measurements."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from medcl.archive import ArchiveError, scan_archive
from medcl.store import StoreForm, prepare, read_labels, stored_scan
from medcl.store.stored_scan import stored_type


@pytest.mark.parametrize(
    ("values", "given", "stored"),
    [
        ([0, 255], "int64", "uint8"),
        ([-1, 255], "int64", "int16"),
        ([0, 40000], "int32", "uint16"),
        ([-1, 40000], "int32", "float32"),
        ([0, 255], "int16", "int16"),
        ([False, True], "bool", "uint8"),
        ([0.5, 1.5], "float64", "float32"),
        ([0.5, 1.5], "float32", "float32"),
        ([], "int64", "float32"),
    ],
)
def test_values_are_kept_in_the_smallest_type(values: list[float], given: str, stored: str) -> None:
    array = np.array(values, given)
    result = stored_type(array)
    assert result.dtype.name == stored
    np.testing.assert_array_equal(result, array)


def test_it_is_what_prepare_stores(tmp_path: Path) -> None:
    archive, generator = tmp_path / "archive", np.random.default_rng(0)
    archive.mkdir()
    sheared = np.diag([1.0, 1.0, 2.0, 1.0])
    sheared[1, 2] = 0.8
    for name, affine in {"straight": np.diag([1.0, 1.0, 2.0, 1.0]), "tilted": sheared}.items():
        voxels = generator.integers(0, 500, (12, 11, 10)).astype(np.int16)
        nib.Nifti1Image(voxels, affine).to_filename(archive / f"{name}.nii")
        labels = (voxels > 300).astype(np.uint8)
        nib.Nifti1Image(labels, affine).to_filename(archive / f"{name}_seg.nii")
    catalog, form = scan_archive([archive], tmp_path / "catalog"), StoreForm(spacing_mm=1.5)
    store = prepare(catalog, tmp_path / "store", form=form)
    assert len(store) == 2
    for row, scan in enumerate(store.scans["scan"]):
        stored = stored_scan(catalog, scan, read_labels(catalog, None), form)
        np.testing.assert_array_equal(stored.array, store.array(row))
        np.testing.assert_array_equal(stored.affine, store.affine(row))
        np.testing.assert_array_equal(stored.mask, store.mask(row))
        valid = store.valid(row)
        assert (stored.valid is None) == (valid is None)
        assert valid is None or np.array_equal(stored.valid, valid)
        for column in ("kind", "unit", "flags", "fingerprint", "lo", "hi", "noise", "mask_from"):
            assert stored.row[column] == store.scans[column][row]
    assert store.scans["flags"].str.contains("SHEARED|TILT").sum() == 1


def test_a_scan_that_is_gone_raises_its_reason(tmp_path: Path) -> None:
    path = tmp_path / "archive" / "a.nii"
    path.parent.mkdir()
    nib.Nifti1Image(np.arange(60, dtype=np.int16).reshape(3, 4, 5), np.eye(4)).to_filename(path)
    catalog = scan_archive([path.parent], tmp_path / "catalog")
    path.unlink()
    with pytest.raises(ArchiveError) as caught:
        stored_scan(catalog, catalog.scans["scan"][0], read_labels(catalog, None), StoreForm())
    assert caught.value.code == "MISSING"
