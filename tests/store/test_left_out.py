"""Every scan of a catalog is used or left out for a reason, which is counted."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from medcl.archive import scan_archive
from medcl.errors import UsageError
from medcl.store import prepare


def write_mixture(folder: Path, images: int, copies: int, volumes: int, masks: int, lost: int) -> Path:
    """Write images with exact copies, volumes with masks and volumes that cannot be read."""
    generator = np.random.default_rng(0)
    folder.mkdir()
    for number in range(images):
        image = Image.fromarray(generator.integers(0, 255, (20, 24), np.uint8))
        image.save(folder / f"p{number}.png")
        if number < copies:
            image.save(folder / f"copy{number}.png")
    for number in range(volumes):
        voxels = generator.normal(size=(9, 8, 7)).astype(np.float32)
        nib.Nifti1Image(voxels, np.eye(4)).to_filename(folder / f"v{number}.nii")
        if number < masks:
            labels = (voxels > 1).astype(np.uint8)
            nib.Nifti1Image(labels, np.eye(4)).to_filename(folder / f"v{number}_seg.nii")
    for number in range(lost):
        nan = np.full((9, 8, 7 + number), np.nan, np.float32)
        nib.Nifti1Image(nan, np.eye(4)).to_filename(folder / f"lost{number}.nii")
    return folder


@given(*[st.integers(0, 3)] * 4)
@settings(max_examples=8, deadline=None)
def test_used_and_left_out_are_all_scans(
    tmp_path_factory: pytest.TempPathFactory, copies: int, volumes: int, masks: int, lost: int
) -> None:
    folder = tmp_path_factory.mktemp("mixture")
    catalog = scan_archive([write_mixture(folder / "a", 3, copies, volumes, masks, lost)], folder / "c")
    store = prepare(catalog, folder / "s")
    record, table = store.record, pd.read_parquet(folder / "s" / "left_out.parquet")
    assert record["used"] + sum(record["left_out"].values()) == len(catalog.scans)
    assert table["reason"].value_counts().to_dict() == record["left_out"]
    used = store.scans.loc[store.scans["split"] != "excluded", "scan"]
    assert set(used) | set(table["scan"]) == set(catalog.scans["scan"])
    assert record["left_out"].get("EXACT_COPY", 0) == copies
    assert record["left_out"].get("MASK", 0) == min(masks, volumes)
    assert sum(record["kinds"].values()) == record["used"]


def test_nothing_to_prepare_says_why_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    labels = (np.random.default_rng(0).normal(size=(9, 8, 7)) > 1).astype(np.uint8)
    nib.Nifti1Image(labels, np.eye(4)).to_filename(tmp_path / "a" / "x_seg.nii")
    catalog = scan_archive([tmp_path / "a"], tmp_path / "c")
    with pytest.raises(
        UsageError, match=r"all 1 scans are left out: 1 MASK_ORPHAN \(.*without LABEL_MAP and give"
    ):
        prepare(catalog, tmp_path / "s")
    own = tmp_path / "own.yaml"
    own.write_text("SCOUT: {}\n")
    assert len(prepare(catalog, tmp_path / "s", image_types=own)) == 1


def test_a_faulty_mask_does_not_lose_its_scan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = scan_archive([write_mixture(tmp_path / "a", 0, 0, 3, 3, 0)], tmp_path / "c")
    (tmp_path / "a" / "v1_seg.nii").unlink()
    store = prepare(catalog, tmp_path / "s")
    assert store.record["used"] == 3
    assert store.record["mask_faults"] == {"MISSING": 1}
    assert store.record["masks"] == {"voxels": 2}


def test_a_label_number_that_no_store_holds_is_refused_by_name(tmp_path: Path) -> None:
    folder = write_mixture(tmp_path / "a", 0, 0, 2, 0, 0)
    labels = np.zeros((9, 8, 7), np.int32)
    labels[2:6, 2:6, 2:6] = 614454277  # the numbers of the Allen mouse brain atlas
    nib.Nifti1Image(labels, np.eye(4)).to_filename(folder / "v0_seg.nii")
    store = prepare(scan_archive([folder], tmp_path / "c"), tmp_path / "s")
    assert store.record["used"] == 2
    assert store.record["mask_faults"] == {"LABEL_NUMBERS": 1}


def test_of_several_masks_the_label_table_chooses(tmp_path: Path) -> None:
    folder = write_mixture(tmp_path / "a", 0, 0, 2, 2, 0)
    liver = np.zeros((9, 8, 7), np.uint8)
    liver[2:6, 2:6, 2:6] = 1
    nib.Nifti1Image(liver, np.eye(4)).to_filename(folder / "v0_liver_mask.nii")
    catalog = scan_archive([folder], tmp_path / "c")
    store = prepare(catalog, tmp_path / "s")
    assert store.record["masks"] == {"voxels": 1}
    assert store.record["left_out"] == {"MASK_NOT_CHOSEN": 2, "MASK": 1}
    assert any(text.startswith("1 scans have several masks (2 in all)") for text in store.record["warnings"])
    (tmp_path / "labels.csv").write_text("file,mask\nv0.nii,v0_liver_mask.nii\n")
    chosen = prepare(catalog, tmp_path / "s2", tmp_path / "labels.csv")
    assert chosen.record["masks"] == {"voxels": 2}
    assert chosen.record["left_out"] == {"MASK": 2, "MASK_NOT_CHOSEN": 1}
    assert not any("several masks" in text for text in chosen.record["warnings"])


def test_the_files_of_a_united_mask_are_masks(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    generator = np.random.default_rng(0)
    Image.fromarray(generator.integers(1, 255, (32, 32), np.uint8)).save(folder / "x.png")
    for number, name in enumerate(("x_mask.png", "x_mask_1.png")):
        mask = np.zeros((32, 32), np.uint8)
        mask[4 + number : 9, 5:12] = 255
        Image.fromarray(mask).save(folder / name)
    store = prepare(scan_archive([folder], tmp_path / "c"), tmp_path / "s")
    assert store.record["masks"] == {"voxels": 1}
    assert store.record["left_out"] == {"MASK": 2}
