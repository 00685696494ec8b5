"""Labels under the names, numbers and layouts of real data sets: paired with their image, never an image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from medcl.archive import ArchiveError, Catalog, read, read_mask, scan_archive
from medcl.store import prepare

CaseFolder = Callable[[str], Path]


@pytest.fixture
def scanned(case_folder: CaseFolder, tmp_path: Path) -> Callable[[str], Catalog]:
    def scan(name: str) -> Catalog:
        return scan_archive([case_folder(name)], tmp_path / "catalog")

    return scan


def names(catalog: Catalog) -> dict[str, str]:
    """File name of each scan and mask."""
    locations = catalog.locations()
    return {row["scan"]: Path(row["path"]).name for _, row in locations.iterrows()}


def flagged(catalog: Catalog, flag: str) -> int:
    return int(catalog.scans["flags"].str.split(";").map(lambda flags: flag in flags).sum())


def test_gold_standard_wmh_117_classes_and_freesurfer_numbers(
    scanned: Callable[[str], Catalog], tmp_path: Path
) -> None:
    catalog = scanned("label_names")
    assert flagged(catalog, "LABEL_MAP") == 16
    assert flagged(catalog, "PROBABILITY_MAP") == 4
    name = names(catalog)
    paired = Counter((name[row["mask"]], name[row["scan"]]) for _, row in catalog.masks.iterrows())
    assert paired == {
        (mask, "FLAIR.nii.gz"): 4
        for mask in ("wmh.nii.gz", "GOLD_STANDARD.nii.gz", "total_seg.nii.gz", "aparc+aseg.nii.gz")
    }
    row = catalog.masks[catalog.masks["mask"].map(name) == "aparc+aseg.nii.gz"].iloc[0]
    labels = read_mask(catalog, row["mask"], row["scan"])
    assert labels.dtype == np.uint16
    assert set(np.unique(labels)) == {0, 2, 3, 41, 42, 1001, 1002, 2001, 2035}
    store = prepare(catalog, tmp_path / "store")
    assert len(store.scans) == 4


def test_image_masks_beside_and_in_a_folder_of_their_own(
    scanned: Callable[[str], Catalog], tmp_path: Path
) -> None:
    catalog = scanned("picture_masks")
    assert flagged(catalog, "LABEL_MAP") == 40
    assert len(catalog.masks) == catalog.masks["scan"].nunique() == 40
    assert set(catalog.masks["kind"]) == {"image"}
    for _, row in catalog.masks.iterrows():
        assert read_mask(catalog, row["mask"], row["scan"]).sum() == 20 * 30
    store = prepare(catalog, tmp_path / "store")
    assert len(store.scans) == 40
    assert (store.scans["mask_from"] != "").all()


def test_decathlon_in_3d(scanned: Callable[[str], Catalog]) -> None:
    catalog = scanned("decathlon")
    assert len(catalog.scans) == 17
    assert len(catalog.masks) == catalog.masks["scan"].nunique() == 8
    images = catalog.scans[~catalog.scans["flags"].str.contains("LABEL_MAP")]
    assert list(images["modality"]) == ["CT"] * 9  # as dataset.json says
    assert catalog.summary()["reasons"]["DATASET_JSON"] == 1


def test_a_3d_label_belongs_to_all_channels_of_its_4d_image(scanned: Callable[[str], Catalog]) -> None:
    catalog = scanned("decathlon_channels")
    assert len(catalog.masks) == 24
    assert catalog.masks["mask"].nunique() == 6
    row = catalog.masks.iloc[0]
    labels = read_mask(catalog, row["mask"], row["scan"])
    assert labels.shape == read(catalog, row["scan"]).array.shape
    assert labels.any()


def test_the_label_of_a_case_belongs_to_each_of_its_channels(scanned: Callable[[str], Catalog]) -> None:
    catalog = scanned("nnunet_raw")
    assert len(catalog.masks) == catalog.masks["scan"].nunique() == 36
    assert catalog.masks["mask"].nunique() == 12


def test_masks_of_bids_derivatives_belong_to_the_image_of_session_and_type(
    scanned: Callable[[str], Catalog],
) -> None:
    catalog = scanned("bids")
    name = names(catalog)
    paired = {(name[row["mask"]], name[row["scan"]]) for _, row in catalog.masks.iterrows()}
    expected = {
        (f"sub-{n:02d}_ses-{session}_{mask}.nii.gz", f"sub-{n:02d}_ses-{session}_T1w.nii.gz")
        for n in range(6)
        for session in ("01", "02")
        for mask in ("desc-brain_mask", "dseg")
    }
    assert paired == expected
    assert len(catalog.masks) == 24


def test_a_structure_beyond_the_field_costs_no_scan(
    scanned: Callable[[str], Catalog], tmp_path: Path
) -> None:
    catalog = scanned("one_bad_structure_set")
    assert len(catalog.masks) == 10
    row = catalog.masks.iloc[0]
    with pytest.raises(ArchiveError, match="MASK_MISMATCH"):  # its only structure
        read_mask(catalog, row["mask"], row["scan"])
    assert catalog.summary()["reasons"] == {"MASK_MISMATCH": 1}
    store = prepare(catalog, tmp_path / "store")
    assert store.record["used"] == 12
    assert store.record["mask_faults"] == {"MASK_MISMATCH": 10}


def test_of_several_masks_none_is_chosen_which_is_said(
    scanned: Callable[[str], Catalog], tmp_path: Path
) -> None:
    store = prepare(scanned("label_names"), tmp_path / "store")
    assert store.record["left_out"] == {"MASK_NOT_CHOSEN": 16, "PROBABILITY_MAP": 4}
    (warning,) = [text for text in store.record["warnings"] if "masks" in text]
    assert warning.startswith("4 scans have several masks (16 in all), of which none was chosen")


def test_freesurfer_numbers_survive_the_store(scanned: Callable[[str], Catalog], tmp_path: Path) -> None:
    catalog = scanned("label_names")
    locations = catalog.locations()
    path = next(path for path in locations["path"] if path.endswith("case0/aparc+aseg.nii.gz"))
    scan = catalog.masks.loc[catalog.masks["mask"].map(names(catalog)) == "aparc+aseg.nii.gz", "scan"].iloc[0]
    table = tmp_path / "labels.csv"
    by_scan = locations.drop_duplicates("scan").set_index("scan")["path"]
    folder = Path(by_scan[scan]).parent.name
    table.write_text(f"file,mask\n{folder}/FLAIR.nii.gz,{folder}/{Path(path).name}\n")
    store = prepare(catalog, tmp_path / "store", table)
    row = int(np.flatnonzero(store.scans["scan"] == scan)[0])
    mask = store.mask(row)
    assert mask is not None
    assert set(np.unique(mask)) == {0, 2, 3, 41, 42, 1001, 1002, 2001, 2035}
