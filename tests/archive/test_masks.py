"""Masks find their scan by name and reference, and are held to its geometry."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from medcl.archive import Catalog, read, read_mask, scan_archive
from medcl.archive.label_evidence import looks_like_labels
from medcl.store import prepare
from tests.archive.label_samples import ct_series, rtstruct_of, square

AFFINE = np.array([[-1.5, 0, 0, 10], [0, 2.0, 0, -20], [0, 0, 3.0, 30], [0, 0, 0, 1.0]])
SHAPE = (8, 9, 7)


def image_bytes(affine: np.ndarray = AFFINE, seed: int = 0) -> bytes:
    values = np.random.default_rng(seed).normal(size=SHAPE).astype(np.float32)
    return bytes(nib.Nifti1Image(values, affine).to_bytes())


def label_array() -> np.ndarray:
    labels = np.zeros(SHAPE, np.uint8)
    labels[1:3, 2:6, 3] = 1
    labels[5, 5, 5] = 2
    return labels


def label_bytes(affine: np.ndarray = AFFINE, dtype: type = np.uint8) -> bytes:
    return bytes(nib.Nifti1Image(label_array().astype(dtype), affine).to_bytes())


def scanned(folder: Path, files: dict[str, bytes]) -> Catalog:
    for name, content in files.items():
        path = folder / "archive" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return scan_archive([folder / "archive"], folder / "catalog")


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("images/case1.nii", "labels/case1.nii"),
        ("imagesTr/case1_0000.nii", "labelsTr/case1.nii"),
        ("case1.nii", "case1_seg.nii"),
        ("a/flair.nii", "a/OTMultiClass.nii"),
        ("sub-01/anat/sub-01_T1w.nii", "sub-01/anat/sub-01_T1w_mask.nii"),
    ],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_a_nifti_mask_finds_its_scan(tmp_path: Path, image: str, mask: str, dtype: type) -> None:
    catalog = scanned(tmp_path, {image: image_bytes(), mask: label_bytes(dtype=dtype)})
    assert len(catalog.masks) == 1
    row = catalog.masks.iloc[0]
    labels = read_mask(catalog, row["mask"], row["scan"])
    turned = read(catalog, row["scan"])
    np.testing.assert_array_equal(labels, label_array()[::-1])
    assert labels.shape == turned.array.shape
    assert "LABEL_MAP" in catalog.row(row["mask"])["flags"]
    assert "LABEL_MAP" not in catalog.row(row["scan"])["flags"]


def test_the_same_mask_in_another_axis_order_still_fits(tmp_path: Path) -> None:
    flipped = AFFINE.copy()
    flipped[:, 3] += flipped[:, 0] * (SHAPE[0] - 1)
    flipped[:, 0] *= -1
    turned = nib.Nifti1Image(label_array()[::-1], flipped).to_bytes()
    catalog = scanned(tmp_path, {"images/a.nii": image_bytes(), "labels/a.nii": turned})
    row = catalog.masks.iloc[0]
    np.testing.assert_array_equal(read_mask(catalog, row["mask"], row["scan"]), label_array()[::-1])


def test_a_mask_whose_geometry_differs_is_refused(tmp_path: Path) -> None:
    moved = AFFINE.copy()
    moved[0, 3] += 1.0
    catalog = scanned(tmp_path, {"images/a.nii": image_bytes(), "labels/a.nii": label_bytes(moved)})
    assert catalog.masks.empty
    assert catalog.summary()["reasons"] == {"MASK_MISMATCH": 1}


def test_a_name_alone_or_a_grid_alone_makes_no_pair(tmp_path: Path) -> None:
    catalog = scanned(
        tmp_path,
        {
            "images/a.nii": image_bytes(seed=1),
            "images/b.nii": image_bytes(seed=2),
            "labels/c.nii": label_bytes(),  # the same grid, another name
            "masks/not_labels.nii": image_bytes(seed=3),  # a name for labels, but an image
        },
    )
    assert catalog.masks.empty
    assert catalog.scans["flags"].str.contains("LABEL_MAP").sum() == 1


def test_names_of_labels() -> None:
    for place in (
        "x/labels/a.nii",
        "x/a_seg.nii.gz",
        "x/brainmask.nii",
        "x/OTMultiClass.nii.gz",
        "x/a-label.nii",
    ):
        assert looks_like_labels(place), place
    for place in ("x/images/a.nii", "x/segovia.nii", "x/T1.nii"):
        assert not looks_like_labels(place), place


def test_a_mask_cropped_to_its_label_finds_its_scan(tmp_path: Path) -> None:
    cropped = AFFINE.copy()
    cropped[:, 3] = AFFINE @ [1, 2, 3, 1]
    crop = bytes(nib.Nifti1Image(label_array()[1:6, 2:6, 3:6], cropped).to_bytes())
    catalog = scanned(tmp_path, {"case1.nii": image_bytes(), "case1_seg.nii": crop})
    row = catalog.masks.iloc[0]
    canonical = read_mask(catalog, row["mask"], row["scan"])
    np.testing.assert_array_equal(canonical, label_array()[::-1])


def test_the_label_beyond_the_scan_costs_neither_image_nor_other_labels(tmp_path: Path) -> None:
    shifted = AFFINE.copy()
    shifted[:, 3] = AFFINE @ [3, 0, 0, 1]  # label 2, at voxel 5 of 8, is then beyond the scan
    mask = bytes(nib.Nifti1Image(label_array(), shifted).to_bytes())
    catalog = scanned(tmp_path, {"case1.nii": image_bytes(), "case1_seg.nii": mask})
    row = catalog.masks.iloc[0]
    expected = np.zeros(SHAPE, np.uint8)
    expected[4:6, 2:6, 3] = 1
    np.testing.assert_array_equal(read_mask(catalog, row["mask"], row["scan"]), expected[::-1])
    flags = catalog.ledger.set_index("scan").loc[row["mask"], "flags"]
    assert "STRUCTURE_LEFT_OUT" in flags.split(";")
    store = prepare(catalog, tmp_path / "store")
    assert store.record["used"] == 1
    assert set(np.unique(store.mask(0))) == {0, 1}


def test_labels_without_their_scan_are_orphans(tmp_path: Path) -> None:
    slices = ct_series(tmp_path / "elsewhere")
    ct_series(tmp_path / "archive" / "ct")
    rtstruct_of(slices, [square(1, 3, 4.0)]).save_as(
        tmp_path / "archive" / "rt.dcm", enforce_file_format=True
    )
    catalog = scan_archive([tmp_path / "archive"], tmp_path / "catalog")
    assert catalog.summary()["reasons"] == {"MASK_ORPHAN": 1}


def test_real_masks_and_the_dirt_planted_among_them(tmp_path: Path, data: Callable[[str], Path]) -> None:
    catalog = scan_archive([data("msd_hippocampus")], tmp_path / "catalog")
    masks = catalog.masks
    assert len(masks) == masks["mask"].nunique() == masks["scan"].nunique() == 260
    where = catalog.locations().set_index("scan")["path"].map(lambda path: "/".join(Path(path).parts[-2:]))
    paired = set(masks["mask"]) | set(masks["scan"])
    alone = {where[scan] for scan in catalog.scans["scan"] if scan not in paired}
    assert alone == {
        "images/hippocampus_118.nii.gz",
        "labels/hippocampus_010.nii.gz",
        "labels/hippocampus_281.nii.gz",
    }
    row = masks.iloc[0]
    assert set(np.unique(read_mask(catalog, row["mask"], row["scan"]))) == {0, 1, 2}
