"""One image in memory is a store of one scan."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from medcl.archive import scan_archive
from medcl.store import StoreForm, prepare, read_labels, stored_scan
from medcl.views import ViewLoader, draw_views, load_policy, read_geometry
from medcl.views.backends.choose import choose_backend
from medcl.views.single import SingleScan


def test_a_volume_has_the_affine_of_its_tensor_or_the_one_given() -> None:
    pixels = torch.rand(1, 8, 9, 10)
    affine = np.diag([2.0, 3.0, 5.0, 1.0])
    for scan in (SingleScan.of(MetaTensor(pixels, affine=affine)), SingleScan.of(pixels, affine=affine)):
        np.testing.assert_array_equal(scan.array(0), pixels[0])
        np.testing.assert_array_equal(scan.affine(0), affine)
        assert scan.measures([0]).spacing_mm.tolist() == [[2, 3, 5]]
        assert scan.scans["kind"][0] == "volume"
    np.testing.assert_array_equal(SingleScan.of(pixels).affine(0), np.eye(4))


@pytest.mark.parametrize(("channels", "shape"), [(1, (12, 14)), (3, (12, 14, 3))])
def test_an_image_is_gray_or_color_and_its_spacing_may_be_unknown(
    channels: int, shape: tuple[int, ...]
) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (channels, 12, 14)).astype(np.uint8)
    scan = SingleScan.of(pixels)
    assert scan.array(0).shape == shape
    assert scan.affine(0) is None
    assert np.isnan(scan.measures([0]).spacing_mm).all()
    known = SingleScan.of(pixels, spacing_mm=(0.5, 0.7)).measures([0])
    assert known.spacing_mm[0, :2].tolist() == [0.5, 0.7]


def test_it_is_measured_as_a_store_is_and_gives_views() -> None:
    pixels = np.zeros((1, 30, 30), np.float32)
    pixels[0, 5:25, 10:20] = np.random.default_rng(0).uniform(100, 200, (20, 10))
    scan = SingleScan.of(pixels, "a.u.", (1.0, 1.0))
    row = scan.scans.iloc[0]
    assert (row["unit"], row["scan"]) == ("a.u.", "s-0")
    assert 100 <= row["lo"] < row["hi"] <= 200
    assert scan.measures([0]).box[0, :2].tolist() == [[5, 25], [10, 20]]
    assert scan.mask(0) is None
    assert scan.valid(0) is None
    assert draw_views(load_policy("ct"), read_geometry(scan, [0]), 8, 0).shape == (1, 2)


def test_a_scan_of_an_archive_is_shown_as_its_store_shows_it(tmp_path: Path) -> None:
    archive, generator = tmp_path / "archive", np.random.default_rng(0)
    archive.mkdir()
    voxels = generator.normal(100, 30, (12, 11, 10)).astype(np.float32)
    voxels[0, 0] = np.nan  # .8 % of the voxels
    nib.Nifti1Image(voxels, np.diag([1.0, 1.0, 2.0, 1.0])).to_filename(archive / "a.nii")
    catalog = scan_archive([archive], tmp_path / "catalog")
    store = prepare(catalog, tmp_path / "store")
    labels, name = read_labels(catalog, None), catalog.scans["scan"][0]
    single = SingleScan.of_stored(stored_scan(catalog, name, labels, StoreForm()), "ABDOMEN")
    assert single.scans["body_part"][0] == "ABDOMEN"
    np.testing.assert_array_equal(single.valid(0), store.valid(0))
    for source in (single, store):
        assert source.measures([0]).extents[0] is not None
    first, second = (
        ViewLoader(source, [0], load_policy("unknown"), 16, 1, 0).batch(np.zeros(1, int), 0).data
        for source in (single, store)
    )
    assert torch.equal(first, second)


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int64, np.uint8, bool])
def test_any_type_of_pixels_gives_views_through_every_backend(dtype: type) -> None:
    pixels = np.random.default_rng(0).integers(0, 2, (1, 30, 30)).astype(dtype)
    scan = SingleScan.of(pixels, spacing_mm=(1.0, 1.0))
    np.testing.assert_array_equal(scan.array(0), pixels[0])
    params = draw_views(load_policy("cxr"), read_geometry(scan, [0]), 8, 0)
    for backend in ("auto", "torch"):
        assert torch.isfinite(choose_backend(backend)(scan, params)).all()
