from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from medcl.archive import Scan, read, scan_archive
from medcl.store import Store, StoreForm, prepare
from medcl.store.form import MARGIN_MM, cropped_to_body, resampled

SHAPE, SPACING = (60, 54, 20), (0.8, 0.8, 2.5)
AFFINE = np.diag([*SPACING, 1.0])
AFFINE[:3, 3] = (-20.0, 11.0, 5.0)


def smooth(world: np.ndarray) -> np.ndarray:
    return 100 + 60 * np.sin(world[..., 0] / 9) * np.cos(world[..., 1] / 8) + 30 * np.sin(world[..., 2] / 11)


def positions(affine: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return np.stack(np.indices(shape), axis=-1) @ affine[:3, :3].T + affine[:3, 3]


def head(tmp_path: Path) -> Scan:
    """A bright ball in darkness, with a mask in a corner of it."""
    world = positions(AFFINE, SHAPE)
    center = world.mean(axis=(0, 1, 2))
    ball = np.linalg.norm(world - center, axis=-1) < 12
    pixels = np.where(ball, smooth(world), 0).astype(np.float32)
    nib.Nifti1Image(pixels, AFFINE).to_filename(tmp_path / "head.nii.gz")
    catalog = scan_archive([tmp_path / "head.nii.gz"], tmp_path / "catalog")
    return read(catalog, catalog.scans["scan"].iat[0])


@pytest.mark.parametrize("spacing_mm", [1.0, 1.6, 3.3])
def test_resampling_keeps_values_where_they_lie(tmp_path: Path, spacing_mm: float) -> None:
    scan = head(tmp_path)
    world = positions(scan.affine, scan.array.shape)
    values = Scan(**{**scan.__dict__, "array": smooth(world).astype(np.float32)})
    coarse, _ = resampled(values, None, spacing_mm)
    along = np.linalg.norm(coarse.affine[:3, :3], axis=0)
    assert (along > 0.7 * spacing_mm).all()
    np.testing.assert_allclose(coarse.spacing_mm, along)
    np.testing.assert_allclose(along * coarse.array.shape, np.array(SPACING) * SHAPE, rtol=1e-6)
    inside = (slice(2, -2),) * 3
    expected = smooth(positions(coarse.affine, coarse.array.shape))
    assert np.abs(coarse.array - expected)[inside].max() < 0.15 * spacing_mm**2 + 1


def test_coarser_axes_and_labels_are_not_made_up(tmp_path: Path) -> None:
    scan = head(tmp_path)
    labels = np.zeros(SHAPE, np.uint16)
    labels[30, 20, 10], labels[10:20, 10:20, 5:9] = 400, 7
    coarse, mask = resampled(scan, labels, 1.6)
    assert coarse.array.shape == (30, 27, 20)
    assert mask.dtype == np.uint16
    assert set(np.unique(mask)) <= {0, 7, 400}
    voxels = positions(coarse.affine, coarse.array.shape)[mask == 7]
    low, high = (
        AFFINE[:3, 3] + np.array(SPACING) * (10, 10, 5),
        AFFINE[:3, 3] + np.array(SPACING) * (19, 19, 8),
    )
    assert (voxels >= low - 0.8).all()
    assert (voxels <= high + 0.8).all()


def test_the_crop_keeps_body_and_labels_in_place(tmp_path: Path) -> None:
    scan = head(tmp_path)
    labels = np.zeros(SHAPE, np.uint8)
    labels[1, 2, 3] = 1
    cropped, mask = cropped_to_body(scan, None)
    assert mask is None
    assert cropped.array.size < scan.array.size
    shift = (
        np.linalg.solve(scan.affine[:3, :3], cropped.affine[:3, 3] - scan.affine[:3, 3]).round().astype(int)
    )
    part = tuple(slice(start, start + n) for start, n in zip(shift, cropped.array.shape, strict=True))
    np.testing.assert_array_equal(scan.array[part], cropped.array)
    outside = np.ones(SHAPE, bool)
    outside[part] = False
    assert not scan.array[outside].any()
    assert (np.array(cropped.array.shape) * SPACING <= 24 + 2 * MARGIN_MM + 5).all()
    kept, mask = cropped_to_body(scan, labels)
    assert mask.sum() == 1
    at = kept.affine[:3, :3] @ np.argwhere(mask)[0] + kept.affine[:3, 3]
    np.testing.assert_allclose(at, scan.affine[:3, :3] @ [1, 2, 3] + scan.affine[:3, 3])


@pytest.mark.parametrize("compress", [False, True])
def test_a_store_says_its_form_and_compression_changes_no_value(tmp_path: Path, compress: bool) -> None:
    if compress:
        pytest.importorskip("imagecodecs")
    head(tmp_path)
    catalog = scan_archive([tmp_path / "head.nii.gz"], tmp_path / "catalog2")
    plain = prepare(catalog, tmp_path / "plain", form=StoreForm(crop_body=True))
    store = prepare(catalog, tmp_path / "store", form=StoreForm(crop_body=True, compress=compress))
    assert Store.open(store.folder).form == StoreForm(crop_body=True, compress=compress)
    np.testing.assert_array_equal(plain.array(0), store.array(0))
    box = np.array([[0, 99], [0, 99], [4, 7]])
    np.testing.assert_array_equal(store.array(0, box)[:, :, 4:7], plain.array(0)[:, :, 4:7])
    sizes = [sum(p.stat().st_size for p in s.folder.rglob("*.bin")) for s in (plain, store)]
    assert (sizes[1] < 0.8 * sizes[0]) == compress


def test_images_are_never_resampled(tmp_path: Path) -> None:
    array = np.ones((5, 5), np.uint8)
    image = Scan(**{**head(tmp_path).__dict__, "array": array, "affine": None, "valid": None})
    same, _ = StoreForm(spacing_mm=5.0, crop_body=True).apply(image, None)
    assert same is image
