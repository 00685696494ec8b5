"""What is a label map: names and values together, and the look-alikes that are images."""

from __future__ import annotations

import io
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from medcl.archive import Catalog, read_mask, scan_archive
from medcl.archive.label_evidence import (
    has_label_word,
    has_probability_word,
    judge_image,
    judge_volume,
    labels_of_image,
)
from medcl.archive.storage.monotonous import is_monotonous

SHAPE = (24, 20, 16)
AFFINE = np.diag([1.5, 2.0, 3.0, 1.0])


def random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def volume(seed: int = 0) -> np.ndarray:
    return random(seed).normal(400, 100, SHAPE).astype(np.int16)


def regions(*values: int) -> np.ndarray:
    labels = np.zeros(SHAPE, np.int32)
    for number, value in enumerate(values):
        labels[2 + 2 * number : 4 + 2 * number, 5:12, 4:9] = value
    return labels


def smooth() -> np.ndarray:
    """A smooth bump in a black background, from 0 to 1."""
    axes = np.meshgrid(*[np.linspace(-1, 1, size) for size in SHAPE], indexing="ij")
    return np.clip(1 - sum(axis**2 for axis in axes), 0, 1)


def scanned(folder: Path, files: dict[str, np.ndarray]) -> Catalog:
    """Scan arrays written as NIfTI or as images, by the suffix of their names."""
    for name, array in files.items():
        path = folder / "archive" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if ".nii" in name:
            nib.save(nib.Nifti1Image(array, AFFINE), path)
        else:
            Image.fromarray(array).save(path)
    return scan_archive([folder / "archive"], folder / "catalog")


def flags(catalog: Catalog) -> dict[str, set[str]]:
    """Flags of each scan by its place in the archive."""
    places = catalog.locations().drop_duplicates("scan").set_index("scan")["path"]
    return {
        places[row["scan"]].partition("/archive/")[2]: set(row["flags"].split(";"))
        for _, row in catalog.scans.iterrows()
    }


@pytest.mark.parametrize(
    "name",
    [
        *["GOLD_STANDARD", "wmh", "aparc+aseg", "a_dseg", "sub-01_desc-brain_mask", "x-gt", "lesions"],
        *["brainmask", "GroundTruth", "atlas_labels", "tumorMask", "annot", "wmparc", "y_contours"],
    ],
)
def test_words_for_labels(name: str) -> None:
    assert has_label_word(name)


@pytest.mark.parametrize("name", ["segovia", "T1", "standard", "atlas", "maskell", "gold_coast", "labrador"])
def test_words_that_only_look_like_them(name: str) -> None:
    assert not has_label_word(name)
    assert not has_probability_word(name)


def test_few_whole_values_in_regions_are_labels_under_any_name() -> None:
    assert judge_volume(regions(1), "a/x.nii") == "LABEL_MAP"
    assert judge_volume(regions(1, 2, 4).astype(np.float32), "a/x.nii") == "LABEL_MAP"


def test_many_whole_values_are_labels_where_the_name_says_so() -> None:
    many = np.zeros(SHAPE, np.int32)
    many[2:22, 2:18, 2:14] = random().integers(1, 118, (20, 16, 12))
    assert judge_volume(many, "a/total_seg.nii") == "LABEL_MAP"
    assert judge_volume(many, "a/x.nii") == ""
    assert judge_volume(regions(2, 41, 1001, 2035), "a/aparc+aseg.nii") == "LABEL_MAP"
    assert judge_volume(regions(2, 41, 1001, 2035), "labels/x.nii") == "LABEL_MAP"


def test_labels_with_voxels_to_ignore_are_no_image() -> None:
    labels = regions(1, 2).astype(np.int16)
    labels[0] = -1
    assert judge_volume(labels, "a/x_seg.nii") == "LABEL_MAP"
    assert judge_volume(labels, "a/x.nii") == ""


def test_an_image_is_an_image_under_a_name_for_labels() -> None:
    assert judge_volume(volume(), "masks/x_seg.nii") == ""
    assert judge_volume(volume() - 1000, "masks/x.nii") == ""


def test_probabilities_are_neither_image_nor_mask() -> None:
    shares = random().random(SHAPE).astype(np.float32)
    assert judge_volume(shares, "a/label-GM_probseg.nii") == "PROBABILITY_MAP"
    assert judge_volume(shares, "labels/x.nii") == "PROBABILITY_MAP"
    assert judge_volume(shares, "a/case1_pred.nii") == "PROBABILITY_MAP"
    assert judge_volume((255 * shares).astype(np.uint8), "a/gm_prob.nii") == "PROBABILITY_MAP"
    assert judge_volume(shares, "a/x.nii") == ""  # an image whose values were normalized


def test_images_that_look_like_labels(tmp_path: Path) -> None:
    eight_bit = np.where(smooth() > 0, random().integers(1, 200, SHAPE), 0).astype(np.uint8)
    counts = random().poisson(0.8, SHAPE).astype(np.int16)
    catalog = scanned(
        tmp_path,
        {
            "ct/scan.nii": eight_bit,
            "ultrasound/sweep.nii.gz": (smooth() * 255).astype(np.uint8),
            "spect/counts.nii": counts,
            "map/levels.nii": np.rint(smooth() * 11).astype(np.uint8),
        },
    )
    flags_by_file = flags(catalog)
    assert not flags_by_file["ct/scan.nii"] & {"LABEL_MAP", "FEW_VALUES"}
    assert not flags_by_file["ultrasound/sweep.nii.gz"] & {"LABEL_MAP", "FEW_VALUES"}
    assert "FEW_VALUES" in flags_by_file["spect/counts.nii"]  # noise: neighbors differ
    # Twelve smooth levels with a background are arranged like labels, or like labels with many neighbors.
    assert flags_by_file["map/levels.nii"] & {"LABEL_MAP", "FEW_VALUES"}


def test_content_is_looked_at_only_in_files_that_repeat_themselves() -> None:
    noise = random().integers(0, 4096, SHAPE).astype(np.int16).tobytes()
    assert not is_monotonous(io.BytesIO(noise), len(noise), 24 * 20 * 16)
    labels = regions(1, 2).astype(np.int16).tobytes()
    assert is_monotonous(io.BytesIO(labels), len(labels), 24 * 20 * 16)


def test_a_label_map_without_a_matching_scan_is_named(tmp_path: Path) -> None:
    catalog = scanned(tmp_path, {"a/case1.nii": volume(), "b/case2_seg.nii": regions(1)})
    assert catalog.masks.empty
    assert {"LABEL_MAP", "MASK_ORPHAN"} <= flags(catalog)["b/case2_seg.nii"]
    assert catalog.summary()["flags"]["MASK_ORPHAN"] == 1


@pytest.mark.parametrize(
    ("scan", "mask"),
    [
        ("c/case1_t1.nii.gz", "c/case1_seg.nii.gz"),
        ("c/BraTS-GLI-00000-000-t1n.nii.gz", "c/BraTS-GLI-00000-000-seg.nii.gz"),
        ("case_00000/imaging.nii.gz", "case_00000/segmentation.nii.gz"),
        ("all/volume-0.nii", "all/segmentation-0.nii"),
        ("s0001/ct.nii.gz", "s0001/segmentations/liver.nii.gz"),
        ("images/train/a1.nii", "masks/train/a1.nii"),
        ("training_images/a1.nii", "training_masks/a1.nii"),
        ("case1/a1.nii", "case1/a1_liver_seg.nii"),
        ("s0001/ct.nii.gz", "s0001/segmentations/rib_left_1.nii.gz"),
        ("case_00000/imaging.nii.gz", "case_00000/segmentations/tumor_instance-1_annotation-1.nii.gz"),
        ("imagesTr/amos_0001.nii.gz", "labelsTr/amos_0001.nii.gz"),
        ("p1/p1_frame01.nii.gz", "p1/p1_frame01_gt.nii.gz"),
        ("sub-001/anat/sub-001_rec-mial_T2w.nii.gz", "sub-001/anat/sub-001_rec-mial_dseg.nii.gz"),
        (
            "rawdata/sub-1/ses-0001/dwi/sub-1_ses-0001_dwi.nii.gz",
            "derivatives/sub-1/ses-0001/sub-1_ses-0001_msk.nii.gz",
        ),
        ("img/img0001.nii.gz", "label/label0001.nii.gz"),
        ("ct_train_1001_image.nii.gz", "ct_train_1001_label.nii.gz"),
        ("subset0/1.3.6.1.4.14519.5.2.1.6279.6001.1.nii", "seg-lungs/1.3.6.1.4.14519.5.2.1.6279.6001.1.nii"),
    ],
)
def test_layouts_of_common_data_sets(scan: str, mask: str, tmp_path: Path) -> None:
    catalog = scanned(tmp_path, {scan: volume(), mask: regions(1, 2)})
    assert len(catalog.masks) == 1
    row = catalog.masks.iloc[0]
    assert (read_mask(catalog, row["mask"], row["scan"]) == regions(1, 2)).all()


@pytest.mark.parametrize(
    ("scan", "mask"),
    [
        ("c/patient1.nii", "c/patient1_2_seg.nii"),
        ("c/patient1.nii", "c/patient1_post_seg.nii"),
        ("imagesTs/a1.nii", "labelsTr/a1.nii"),
        ("lesion/1.nii", "healthy/1_seg.nii"),
        ("a/patient00001.nii", "b/patient00001_2_seg.nii"),
        ("sub-1/anat/sub-1_T1w.nii", "sub-1/dwi/sub-1_mask.nii"),
    ],
)
def test_masks_of_another_examination_are_not_paired(scan: str, mask: str, tmp_path: Path) -> None:
    assert scanned(tmp_path, {scan: volume(), mask: regions(1, 2)}).masks.empty


def square(row: int, value: int = 255) -> np.ndarray:
    mask = np.zeros((80, 100), np.uint8)
    mask[row : row + 10, 30:60] = value
    return mask


def image(seed: int = 0) -> np.ndarray:
    return random(seed).integers(0, 255, (80, 100)).astype(np.uint8)


@pytest.mark.parametrize(
    "mask", ["x_mask.png", "x_segmentation.png", "x-gt.png", "x_lesion.png", "masks/x.png", "x_mask.jpg"]
)
def test_an_image_finds_its_mask(mask: str, tmp_path: Path) -> None:
    scan = "images/x.png" if "/" in mask else "x.png"
    catalog = scanned(tmp_path, {scan: image(), mask: square(20)})
    assert list(catalog.masks["kind"]) == ["image"]
    row = catalog.masks.iloc[0]
    np.testing.assert_array_equal(read_mask(catalog, row["mask"], row["scan"]), square(20, 1))


def test_several_masks_of_one_image_are_united(tmp_path: Path) -> None:
    catalog = scanned(tmp_path, {"x.png": image(), "x_mask.png": square(5), "x_mask_1.png": square(40)})
    assert len(catalog.masks) == 1
    row = catalog.masks.iloc[0]
    united = read_mask(catalog, row["mask"], row["scan"])
    np.testing.assert_array_equal(united, square(5, 1) | square(40, 1))


def test_an_image_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    catalog = scanned(tmp_path, {"x.png": image(), "x_mask.png": square(5)[:, :90]})
    assert catalog.masks.empty
    assert catalog.summary()["reasons"] == {"MASK_MISMATCH": 1}


def test_images_of_a_class_called_lesion_are_images() -> None:
    assert judge_image(image(), "lesion/001.png") == ""
    assert judge_image(image() // 64, "a/001.png") == ""


def test_values_of_image_masks() -> None:
    assert set(np.unique(labels_of_image(square(5)))) == {0, 1}
    three = square(5, 1) + square(40, 2)
    np.testing.assert_array_equal(labels_of_image(three), three)
    color = np.stack([square(5), square(5, 0), square(40)], axis=-1)
    np.testing.assert_array_equal(labels_of_image(color), square(5, 1) | square(40, 1))


def test_a_palette_holds_the_labels(tmp_path: Path) -> None:
    classes = square(5, 1) + square(40, 2)
    indexed = Image.fromarray(classes, mode="P")
    indexed.putpalette([0, 0, 0, 200, 0, 0, 0, 200, 0])
    folder = tmp_path / "archive"
    folder.mkdir()
    Image.fromarray(image()).save(folder / "x.png")
    indexed.save(folder / "x_mask.png")
    catalog = scan_archive([folder], tmp_path / "catalog")
    row = catalog.masks.iloc[0]
    np.testing.assert_array_equal(read_mask(catalog, row["mask"], row["scan"]), classes)


@pytest.mark.parametrize(
    ("scan", "mask"),
    [
        ("benign/benign (1).png", "benign/benign (1)_mask.png"),
        ("images/cju0qkwl35piu0993l0dewei2.png", "masks/cju0qkwl35piu0993l0dewei2.png"),
        ("training/images/21_training.tif", "training/1st_manual/21_manual1.png"),
        ("ISIC-2017_Data/ISIC_0000000.png", "ISIC-2017_GroundTruth/ISIC_0000000_segmentation.png"),
        ("CXR_png/MCUCXR_0001_0.png", "ManualMask/leftMask/MCUCXR_0001_0.png"),
        ("CXR_png/CHNCXR_0001_0.png", "mask/CHNCXR_0001_0_mask.png"),
    ],
)
def test_layouts_of_common_data_sets_of_images(scan: str, mask: str, tmp_path: Path) -> None:
    catalog = scanned(tmp_path, {scan: image(), mask: square(20)})
    assert len(catalog.masks) == 1
    assert flags(catalog)[mask] >= {"LABEL_MAP"}


def test_masks_of_different_kinds_are_not_united(tmp_path: Path) -> None:
    """DRIVE has the vessels and the field of view of each image."""
    catalog = scanned(
        tmp_path,
        {
            "training/images/21_training.png": image(),
            "training/1st_manual/21_manual1.png": square(5),
            "training/mask/21_training_mask.png": square(40),
        },
    )
    assert len(catalog.masks) == 2
    assert catalog.masks["scan"].nunique() == 1


def test_probabilities_beside_an_image_are_no_image(tmp_path: Path) -> None:
    catalog = scanned(tmp_path, {"x.png": image(), "x_prob.png": image(1), "x_heatmap.png": image(2)})
    found = flags(catalog)
    assert "PROBABILITY_MAP" in found["x_prob.png"]
    assert "PROBABILITY_MAP" in found["x_heatmap.png"]
    assert "PROBABILITY_MAP" not in found["x.png"]


def test_a_skull_stripped_image_is_no_mask() -> None:
    brain = np.where(regions(1) > 0, random().integers(1, 200, SHAPE), 0).astype(np.uint8)
    assert judge_volume(brain, "mri/brainmask.mgz") == ""
    assert judge_volume(regions(1), "mri/brainmask.mgz") == "LABEL_MAP"


def test_tissue_probabilities_of_spm() -> None:
    shares = random().random(SHAPE).astype(np.float32)
    for name in ("c1sub01", "rc2sub01", "mwc1sub01"):
        assert judge_volume(shares, f"a/{name}.nii") == "PROBABILITY_MAP"
        assert judge_volume(volume(), f"a/{name}.nii") == ""
