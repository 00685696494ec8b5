"""A description of a data set names modality, labels and pairs; what contradicts its files is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medcl.archive import Catalog, read_mask, scan_archive
from medcl.store import prepare
from tests.archive.volume_files import block, noise, write_files

NNUNET = {
    "channel_names": {"0": "CT", "1": "PET"},
    "labels": {"background": 0, "liver": 1, "whole": [1, 2]},
    "numTraining": 2,
    "file_ending": ".nii",
}
FILES = {
    f"D/imagesTr/c{case}_{channel:04d}.nii": noise(2 * case + channel)
    for case in (1, 2)
    for channel in (0, 1)
} | {f"D/labelsTr/c{case}.nii": block(1) for case in (1, 2)}


@pytest.fixture
def scanned(tmp_path: Path) -> Callable[[dict[str, Any]], Catalog]:
    def scan(files: dict[str, Any]) -> Catalog:
        return scan_archive([write_files(tmp_path / "archive", files)], tmp_path / "catalog")

    return scan


def description(catalog: Catalog) -> tuple[str, str]:
    """Reason and flags of the description in the ledger."""
    (row,) = catalog.ledger[catalog.ledger["reason"].str.startswith("DATASET")].to_dict("records")
    return row["reason"], row["flags"]


def test_channels_have_the_modality_of_their_names(scanned: Callable[[dict[str, Any]], Catalog]) -> None:
    catalog = scanned(FILES | {"D/dataset.json": NNUNET})
    images = catalog.scans[~catalog.scans["flags"].str.contains("LABEL_MAP")]
    assert images["modality"].value_counts().to_dict() == {"CT": 2, "PT": 2}
    assert description(catalog) == ("DATASET_JSON", "")
    assert len(catalog.masks) == 4


@pytest.mark.parametrize(
    ("change", "flag"),
    [
        ({"numTraining": 3}, "DATASET_COUNT"),
        ({"channel_names": {"0": "CT"}}, "DATASET_CHANNELS"),
        ({"channel_names": {"0": "CT", "1": "PET", "2": "T1"}}, "DATASET_CHANNELS"),
        ({"file_ending": ".mha"}, "DATASET_ENDING"),
        ({"labels": {"background": "zero"}}, "DATASET_MALFORMED"),
        ({"channel_names": {"1": "CT", "2": "PET"}}, "DATASET_MALFORMED"),
        ({"training": [{"image": "../c1.nii", "label": "labelsTr/c1.nii"}]}, "DATASET_MALFORMED"),
        ({"training": [{"image": "imagesTr/c9.nii", "label": "labelsTr/c9.nii"}]}, "DATASET_FILES_MISSING"),
    ],
)
def test_what_contradicts_the_files_is_named(
    change: dict[str, Any], flag: str, scanned: Callable[[dict[str, Any]], Catalog]
) -> None:
    reason, flags = description(scanned(FILES | {"D/dataset.json": NNUNET | change}))
    assert reason == "DATASET_JSON_FAULTY"
    assert flag in flags.split(";")


def test_stated_pairs_need_no_names(scanned: Callable[[dict[str, Any]], Catalog], tmp_path: Path) -> None:
    """Labels whose name says nothing, with as many values as an image."""
    labels = noise(7) % 100
    catalog = scanned(
        {
            "D/data/a.nii": noise(1),
            "D/data/b.nii": noise(2),
            "D/other/x.nii": labels,
            "D/dataset.json": {
                "modality": {"0": "MRI"},
                "labels": {"0": "background", "1": "lesion"},
                "training": [{"image": "./data/a.nii", "label": "./other/x.nii"}],
                "test": ["./data/b.nii"],
            },
        }
    )
    (row,) = catalog.masks.to_dict("records")
    assert (read_mask(catalog, row["mask"], row["scan"]) == labels).all()
    store = prepare(catalog, tmp_path / "store")
    assert store.record["kinds"] == {"MR volumes": 2}
    assert store.record["left_out"] == {"MASK": 1}
    assert description(catalog) == ("DATASET_JSON", "")
