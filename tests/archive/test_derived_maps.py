"""Names of maps that were computed from images."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from medcl.archive import scan_archive
from medcl.archive.derived_maps import is_map_name
from medcl.store import prepare
from tests.archive.volume_files import noise, write_files


@pytest.mark.parametrize(
    "name",
    [
        *[
            "FA",
            "dti_FA",
            "sub-01_MD",
            "sub-01_model-DTI_param-FA_dwimap",
            "case1_adc",
            "p1_ADC_001",
            "dti_L1",
        ],
        *[
            "dti_V1",
            "NODDI_odi",
            "sub-01_cbf",
            "rCBV",
            "case_Tmax",
            "sub-01_T1map",
            "zstat1",
            "thresh_zstat12",
        ],
        *["cope3", "spmT_0001", "con_0002", "beta_0011", "sub-01_stat-t_statmap", "y_sub01", "iy_sub01"],
        *["u_rc1sub01", "1Warp", "sub-01_from-T1w_to-MNI_xfm", "fieldmap", "seg_uncertainty", "t1_jacobian"],
    ],
)
def test_volumes_that_are_maps(name: str) -> None:
    assert is_map_name(f"a/{name}.nii.gz", is_volume=True)


@pytest.mark.parametrize(
    "name",
    [
        "T1",
        "flair",
        "sub-01_T1w",
        "mdt_12",
        "family",
        "adcock_01",
        "FA_study_T1",
        "ad",
        "bold",
        "content_0001",
    ],
)
def test_volumes_that_are_images(name: str) -> None:
    assert not is_map_name(f"a/{name}.nii.gz", is_volume=True)


def test_of_2d_images_only_maps_of_such_count() -> None:
    assert is_map_name("a/eye_heatmap.png", is_volume=False)
    assert not is_map_name("a/eye_FA.png", is_volume=False)  # fluorescein angiography


def test_a_map_is_left_out_by_its_reason(tmp_path: Path) -> None:
    folder = write_files(
        tmp_path / "a", {"p1/flair.nii": noise(1), "p1/adc.nii": noise(2), "p2/flair.nii": noise(3)}
    )
    store = prepare(scan_archive([folder], tmp_path / "c"), tmp_path / "s")
    assert store.record["used"] == 2
    assert store.record["left_out"] == {"DERIVED": 1}


@pytest.mark.parametrize(
    ("intent", "derived"), [("t test", True), ("displacement vector", True), ("none", False)]
)
def test_the_intent_of_a_nifti_says_that_it_is_a_map(intent: str, derived: bool, tmp_path: Path) -> None:
    image = nib.Nifti1Image(noise(1), np.eye(4))
    image.header.set_intent(intent, (10,) if intent == "t test" else ())
    (tmp_path / "a").mkdir()
    image.to_filename(tmp_path / "a" / "x.nii")
    catalog = scan_archive([tmp_path / "a"], tmp_path / "c")
    assert ("DERIVED" in catalog.scans["flags"].iloc[0]) is derived
