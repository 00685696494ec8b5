"""BIDS sidecars apply to the images below them; the nearest goes first, and one that nobody uses is named."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcl.archive import Catalog, scan_archive
from medcl.archive.formats.sidecar import Sidecar
from medcl.archive.ledger.examine import FileOutcome
from medcl.archive.ledger.sidecars import Sidecars
from medcl.archive.storage.walk import Entry, Root
from tests.archive.volume_files import noise, write_files

MR = Sidecar("MR", None, None)


def outcomes(*places: str, **stated: Any) -> list[FileOutcome]:
    """Outcomes of sidecars at places below the root."""
    root = Root("/data", "root")
    sidecar = dataclasses.replace(MR, **stated)
    return [
        FileOutcome(Entry(root, f"/data/{place}", 1, 1, "", 1), "", 1, "dropped", "SIDECAR", sidecar=sidecar)
        for place in places
    ]


IMAGE = "root/sub-01/ses-1/func/sub-01_ses-1_task-rest_run-2_bold.nii.gz"


@pytest.mark.parametrize(
    ("place", "applies"),
    [
        ("task-rest_bold.json", True),
        ("bold.json", True),
        ("sub-01/sub-01_bold.json", True),
        ("sub-01/ses-1/func/sub-01_ses-1_task-rest_bold.json", True),
        ("sub-01/ses-1/func/sub-01_ses-1_task-rest_run-2_bold.json", True),
        ("task-motor_bold.json", False),
        ("task-rest_run-1_bold.json", False),
        ("T1w.json", False),
        ("sub-01/ses-2/func/task-rest_bold.json", False),
        ("sub-01/anat/task-rest_bold.json", False),
        ("sub-02/sub-02_bold.json", False),
        ("rest.json", False),
    ],
)
def test_a_sidecar_applies_below_its_folder_to_its_suffix_and_entities(place: str, applies: bool) -> None:
    sidecars = Sidecars(outcomes(place))
    assert (sidecars.in_force(IMAGE) is not None) == applies
    assert sidecars.is_used(f"root/{place}") == applies


@given(st.permutations(["bold.json", "sub-01/task-rest_bold.json", "sub-01/ses-1/func/task-rest_bold.json"]))
def test_the_nearest_goes_first_and_others_complete_it(order: list[str]) -> None:
    stated = {
        "bold.json": {"modality": "PT", "manufacturer": "GE", "body_part": "HEAD"},
        "sub-01/task-rest_bold.json": {"modality": "MR", "manufacturer": "Siemens"},
        "sub-01/ses-1/func/task-rest_bold.json": {"modality": "unknown", "manufacturer": "Philips"},
    }
    sidecars = Sidecars([outcome for place in order for outcome in outcomes(place, **stated[place])])
    assert sidecars.in_force(IMAGE) == Sidecar("MR", "HEAD", "Philips")


def test_within_a_folder_the_one_with_more_entities_goes_first() -> None:
    files = outcomes("bold.json", manufacturer="GE") + outcomes("task-rest_bold.json", manufacturer="Siemens")
    assert Sidecars(files).in_force(IMAGE) == Sidecar("MR", None, "Siemens")


def test_derivatives_inherit_from_their_own_data_set_only() -> None:
    sidecars = Sidecars(outcomes("T1w.json"))
    assert sidecars.in_force("root/derivatives/prep/sub-01/anat/sub-01_T1w.nii.gz") is None
    sidecars = Sidecars(outcomes("derivatives/prep/T1w.json"))
    assert sidecars.in_force("root/derivatives/prep/sub-01/anat/sub-01_T1w.nii.gz") == MR
    assert sidecars.in_force("root/sub-01/anat/sub-01_T1w.nii.gz") is None


def scanned(tmp_path: Path, files: dict[str, Any]) -> Catalog:
    return scan_archive([write_files(tmp_path / "archive", files)], tmp_path / "catalog")


def test_the_ledger_names_sidecars_that_no_image_uses(tmp_path: Path) -> None:
    catalog = scanned(
        tmp_path,
        {
            "T1w.json": {"Modality": "MR", "Manufacturer": "Siemens"},
            "sub-01/ses-1/anat/sub-01_ses-1_T1w.nii": noise(1),
            "sub-02/ses-1/anat/sub-02_ses-1_T1w.nii": noise(2),
            "sub-02/ses-1/anat/sub-02_ses-1_T1w.json": {"Manufacturer": "GE"},
            "sub-02/ses-1/anat/sub-02_ses-1_T2w.json": {"Modality": "MR"},
            "dataset_description.json": {"Name": "x", "BIDSVersion": "1.8.0"},
            "participants.tsv": "participant_id\tage\nsub-01\t40\n",
        },
    )
    assert catalog.summary()["reasons"] == {"NOT_AN_IMAGE": 2, "SIDECAR": 2, "SIDECAR_UNUSED": 1}
    assert catalog.summary()["modalities"] == {"MR": 2}
    assert set(catalog.scans["manufacturer"]) == {"Siemens", "GE"}
    assert catalog.scans["flags"].str.contains("SIDECAR_USED").all()
